"""Columns of particle and optics tables: label, unit, use, meaning, one a line.

Uses: ``read`` changes what a run computes; ``kept`` is written back as it was read.
"""

IMAGES = """
rlnImageName | - | read | image and its stack, 000012@stack.mrcs, counted from 1
rlnReconstructImageName | - | read | image inserted in place of rlnImageName
rlnMicrographName | - | read | micrograph; rows are sorted by it, its particles share a scale
rlnGroupName | - | read | name of the set that shares an intensity scale, in place of the micrograph
rlnGroupNumber | - | written | number of the set that shares an intensity scale, from 1
rlnOpticsGroup | - | read | row of the optics table that belongs to the particle, by its number
rlnRandomSubset | - | read | half of the particle, 1 or 2; 0 for all lets the run draw it
rlnMaskName | - | read | file of the mask of a part of the map
rlnCtfImage | - | read | image of the CTF, for subtomograms
rlnCoordinateX | px | kept | column of the particle's centre in its micrograph
rlnCoordinateY | px | kept | row of the particle's centre in its micrograph
rlnCoordinateZ | px | kept | section of the particle's centre in its tomogram
rlnImageOriginalName | - | kept | name of the image before it was taken into this set
rlnImageId | - | kept | number of the image in another program
rlnParticleId | - | kept | number of the particle in another program
rlnAutopickFigureOfMerit | - | kept | how well the particle agreed with what it was picked by
rlnCtfFigureOfMerit | - | kept | how well the CTF agreed with the spectrum of the micrograph
rlnCtfMaxResolution | Å | kept | resolution to which the CTF was seen
rlnHelicalTubeID | - | kept | number of the filament in its micrograph
rlnHelicalTrackLengthAngst | Å | kept | way along the filament to this segment
"""

POSES = """
rlnAngleRot | ° | read | first Euler angle, about z: azimuth of the view
rlnAngleTilt | ° | read | second Euler angle, about the new y: polar angle of the view
rlnAnglePsi | ° | read | third Euler angle, about the new z: rotation within the image
rlnAngleRotPrior | ° | read | centre of the prior of rlnAngleRot
rlnAngleTiltPrior | ° | read | centre of the prior of rlnAngleTilt
rlnAnglePsiPrior | ° | read | centre of the prior of rlnAnglePsi
rlnAnglePsiFlipRatio | - | kept | probability of the opposite polarity of a filament
rlnOriginXAngst | Å | read | shift along x that centres the image
rlnOriginYAngst | Å | read | shift along y that centres the image
rlnOriginZAngst | Å | read | shift along z that centres a subtomogram
rlnTomoVisibleFrames | - | read | which tilts a tilt series has; refused
rlnOriginXPriorAngst | Å | read | centre of the prior of rlnOriginXAngst
rlnOriginYPriorAngst | Å | read | centre of the prior of rlnOriginYAngst
rlnOriginX | px | read | as rlnOriginXAngst, in tables of RELION 3.0
rlnOriginY | px | read | as rlnOriginYAngst, in tables of RELION 3.0
rlnOriginXPrior | px | read | as rlnOriginXPriorAngst, in tables of RELION 3.0
rlnOriginYPrior | px | read | as rlnOriginYPriorAngst, in tables of RELION 3.0
rlnClassNumber | - | read | class of the particle, from 1
rlnNormCorrection | - | read | brightness of the image beside the mean of all; it is divided out
rlnLogLikeliContribution | - | read | logarithm of the probability of the image under the model
rlnMaxValueProbDistribution | - | read | probability of the best pose
rlnNrOfSignificantSamples | - | read | poses that hold nearly all of the probability
"""

OPTICS = """
rlnDefocusU | Å | read | defocus along the axis at rlnDefocusAngle; underfocus is positive
rlnDefocusV | Å | read | defocus across that axis
rlnDefocusAngle | ° | read | direction of rlnDefocusU, from x towards y
rlnPhaseShift | ° | read | phase shift of a phase plate
rlnCtfBfactor | Å² | read | damping of the CTF, exp(-B s² / 4)
rlnCtfScalefactor | - | read | factor of the CTF; below 0 for images with dark particles
rlnOpticsGroupName | - | read | name of the optics group
rlnVoltage | kV | read | acceleration voltage
rlnSphericalAberration | mm | read | spherical aberration
rlnAmplitudeContrast | - | read | share of the amplitude in the contrast, 0 to 1
rlnImagePixelSize | Å | read | pixel of the images
rlnImageSize | px | read | box of the images
rlnImageDimensionality | - | read | 2 for images, 3 for subtomograms
rlnMicrographPixelSize | Å | read | pixel of the micrographs; stands in for rlnImagePixelSize
rlnMicrographOriginalPixelSize | Å | read | pixel of the movies; stands in for rlnImagePixelSize
rlnDetectorPixelSize | µm | read | pixel of the detector, in tables of RELION 3.0
rlnMagnification | - | read | magnification; the pixel of the detector over it is that of the images
rlnCtfDataAreCtfPremultiplied | 0/1 | read | the images have been multiplied by their CTF
rlnCtfDataAreCtfCorrected | 0/1 | read | the CTF has been divided out of the images
rlnBeamTiltX | mrad | read | tilt of the beam along x
rlnBeamTiltY | mrad | read | tilt of the beam along y
rlnOddZernike | rad | read | coefficients of the antisymmetric aberrations
rlnEvenZernike | rad | read | coefficients of the symmetric aberrations beyond the usual CTF
rlnMagMat00 | - | read | anisotropic magnification, row 0, column 0
rlnMagMat01 | - | read | anisotropic magnification, row 0, column 1
rlnMagMat10 | - | read | anisotropic magnification, row 1, column 0
rlnMagMat11 | - | read | anisotropic magnification, row 1, column 1
rlnResolutionInversePixel | 1/px | read | frequency of a value of rlnMtfValue
rlnMtfValue | - | read | transfer function of the detector
rlnMtfFileName | - | read | STAR file with the transfer function of the detector
"""

OWN = """
hlfReason | - | written | why an image was left out
hlfIteration | - | read | iteration in which a plug-in was given a map
hlfHalf | - | read | half of that map, 0 if the set is not split
hlfClass | - | read | class of that map
hlfOutcome | - | read | used, or why the map kept the ordinary prior
hlfColumn | - | read | field of a cryoSPARC file that travels along
hlfType | - | read | type of its values in that file
hlfKept | - | read | how it is kept: as a column, as one constant, or made from other columns
hlfValue | - | read | the constant
"""

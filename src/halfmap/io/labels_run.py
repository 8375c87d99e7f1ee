"""Columns of the files of a run that are no options: label, unit, use, meaning, one a line."""

MODEL = """
rlnReferenceDimensionality | - | written | 3 for maps, 2 for class averages
rlnDataDimensionality | - | written | 2 for images
rlnOriginalImageSize | px | read | box of the maps
rlnCurrentImageSize | px | read | box of the Fourier window that takes part
rlnCurrentResolution | Å | read | resolution up to which the maps are used
rlnPixelSize | Å | read | voxel of the maps
rlnPaddingFactor | - | written | how many times finer than the box the Fourier transform is sampled
rlnIsHelix | 0/1 | written | whether the particles are segments of filaments
rlnFourierSpaceInterpolator | - | written | 1: linear interpolation in Fourier space, 0: none
rlnMinRadiusNnInterpolation | px | written | radius inside which interpolation is linear in any case
rlnNrClasses | - | read | classes
rlnNrBodies | - | written | rigid bodies
rlnNrGroups | - | written | sets that share an intensity scale
rlnNrOpticsGroups | - | read | optics groups
rlnTau2FudgeFactor | - | read | weight of the data against the prior
rlnNormCorrectionAverage | - | read | mean of rlnNormCorrection
rlnSigmaOffsetsAngst | Å | read | spread of the shifts
rlnOrientationalPriorMode | - | written | 1 when angles have priors
rlnSigmaPriorRotAngle | ° | read | spread of the prior of rlnAngleRot
rlnSigmaPriorTiltAngle | ° | read | spread of the prior of rlnAngleTilt
rlnSigmaPriorPsiAngle | ° | read | spread of the prior of rlnAnglePsi
rlnLogLikelihood | - | read | logarithm of the probability of all images
rlnAveragePmax | - | read | mean of rlnMaxValueProbDistribution
rlnReferenceImage | - | read | file of the map of a class
rlnClassDistribution | - | read | share of the particles in a class
rlnClassPriorOffsetX | Å | read | mean shift along x of a class
rlnClassPriorOffsetY | Å | read | mean shift along y of a class
rlnAccuracyRotations | ° | read | error of angles that can just be told from none
rlnAccuracyTranslationsAngst | Å | read | error of shifts that can just be told from none
rlnEstimatedResolution | Å | written | resolution where the data outweigh the prior
rlnOverallFourierCompleteness | - | written | share of the Fourier voxels up to there that hold data
rlnSpectralIndex | - | read | shell of the spectrum
rlnResolution | 1/Å | written | frequency of the shell
rlnAngstromResolution | Å | read | resolution of the shell; 999 for shell 0
rlnSsnrMap | - | read | power of the signal over that of the noise in the map
rlnGoldStandardFsc | - | read | correlation of the two halves
rlnFourierCompleteness | - | read | share of the voxels of the shell that hold data
rlnReferenceSigma2 | - | read | power of the noise in the map
rlnReferenceTau2 | - | read | power of the signal in the map
rlnSpectralOrientabilityContribution | - | read | what the shell adds to telling orientations apart
rlnSigma2Noise | - | read | power of the noise in the images, per component
rlnOrientationDistribution | - | read | share of the particles that are seen from a direction
rlnGroupNrParticles | - | written | particles of a set
rlnGroupScaleCorrection | - | read | intensity scale of a set
rlnFourierShellCorrelation | - | read | correlation that an external program measured
rlnExtReconsDataReal | - | written | file with the real part of the sums for an external program
rlnExtReconsDataImag | - | written | file with the imaginary part of the sums
rlnExtReconsWeight | - | written | file with the weight of the sums
rlnExtReconsResult | - | written | file of the map that the external program is to make
rlnExtReconsResultStarfile | - | written | file of the spectrum that it may make
"""

SAMPLING = """
rlnIs3DSampling | 0/1 | read | whether directions of view are searched
rlnIs3DTranslationalSampling | 0/1 | written | whether shifts along z are searched
rlnHealpixOrder | - | read | fineness of the grid of directions, about 60° / 2^order
rlnSymmetryGroup | - | read | point group
rlnTiltAngleLimit | ° | read | limit of rlnAngleTilt; -91 is none
rlnPsiStep | ° | read | step of rlnAnglePsi
rlnOffsetRange | Å | read | largest shift that is tried
rlnOffsetStep | Å | read | step of the shifts
rlnHelicalOffsetStep | Å | written | step of the shifts along a filament
rlnSamplingPerturbInstance | - | read | displacement of the grids in this iteration, in steps
rlnSamplingPerturbFactor | - | read | largest such displacement
rlnHealpixOrderOriginal | - | read | rlnHealpixOrder at the start
rlnPsiStepOriginal | ° | read | rlnPsiStep at the start
rlnOffsetRangeOriginal | Å | read | rlnOffsetRange at the start
rlnOffsetStepOriginal | Å | read | rlnOffsetStep at the start
"""

OPTIMISER = """
rlnModelStarFile | - | read | file of the model, of the first half if there are two
rlnModelStarFile2 | - | read | file of the model of the second half
rlnExperimentalDataStarFile | - | read | file of the particles
rlnOrientSamplingStarFile | - | read | file of the sampling
rlnCurrentIteration | - | read | iteration that has just ended
rlnNumberOfIterations | - | read | iteration after which the run ends at the latest
rlnHasConverged | 0/1 | read | nothing changes any more
rlnHasHighFscAtResolLimit | 0/1 | read | the halves still agree where the window ends
rlnHasLargeSizeIncreaseIterationsAgo | - | read | iterations since the window grew by much
rlnNumberOfIterWithoutResolutionGain | - | read | iterations without better resolution
rlnNumberOfIterWithoutChangingAssignments | - | read | iterations in which the poses hardly changed
rlnBestResolutionThusFar | 1/Å | read | best frequency so far
rlnOverallAccuracyRotations | ° | read | rlnAccuracyRotations of the best class
rlnOverallAccuracyTranslationsAngst | Å | read | rlnAccuracyTranslationsAngst of the best class
rlnChangesOptimalOrientations | ° | read | mean change of the angles in the last iteration
rlnChangesOptimalOffsets | Å | read | mean change of the shifts
rlnChangesOptimalClasses | - | read | particles that changed their class
rlnSmallestChangesOrientations | ° | read | smallest change of the angles so far
rlnSmallestChangesOffsets | Å | read | smallest change of the shifts so far
rlnSmallestChangesClasses | - | read | smallest number of changed classes so far
rlnDoCorrectNorm | 0/1 | read | the brightness of images is corrected
rlnDoCorrectScale | 0/1 | read | intensity scales are corrected
rlnRefsAreCtfCorrected | 0/1 | read | the starting map is free of the CTF
rlnDoMapEstimation | 0/1 | written | maps have a prior
rlnMaxNumberOfPooledParticles | - | written | particles handled together
rlnBodyStarFile | - | written | file of rigid bodies, not used
rlnDoBlush | 0/1 | written | learned regularisation of RELION 5, not used
rlnBlushNoSpectralTrailing | 0/1 | written | its option
rlnTomoTomogramsFile | - | written | file of the tomograms, not used
rlnTomoTrajectoriesFile | - | written | file of motions in tomograms, not used
rlnDoStochasticGradientDescent | 0/1 | written | gradient descent of RELION 3
rlnGradHasConverged | 0/1 | written | the gradient descent has ended
rlnGradCurrentStepsize | - | written | its present step
rlnGradSubsetOrder | - | written | its present subset
rlnGradSuspendFinerSamplingIter | - | written | iterations for which it keeps its sampling
rlnGradSuspendLocalSamplingIter | - | written | iterations for which it searches globally
rlnSgdSkipAnneal | 0/1 | written | RELION 3: classes are not joined at the start
rlnSgdSubsetSize | - | written | RELION 3: particles of a subset
rlnSgdMuFactor | - | written | momentum of the gradient
rlnOffsetRangeX | px | written | own range of the shifts along x
rlnOffsetRangeY | px | written | own range of the shifts along y
rlnOffsetRangeZ | px | written | own range of the shifts along z
rlnTomoParticlesFile | - | read | particle table of an optimisation set (--ios)
rlnTomoReferenceMap1File | - | read | its starting map, that of the first half
rlnTomoReferenceMap2File | - | written | its map of the second half
rlnTomoReferenceMaskFile | - | read | its solvent mask
rlnTomoReferenceFscFile | - | read | FSC of its maps; dropped when new ones are named
"""

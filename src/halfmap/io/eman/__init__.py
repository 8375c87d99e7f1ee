"""Files of EMAN2: image stacks and maps in HDF5, lists of images, tilt files, text beside them."""

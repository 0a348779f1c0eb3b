//! Symbol pointers of Mach-O images.

/* The i386 numbers: programs for this machine have no others. */
#include <asm/unistd_32.h>

#include <toykernel.h>

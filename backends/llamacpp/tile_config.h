// Older GCCs, 12.2 among them, tell their optimiser that loading a tile configuration reads eight bytes of it. The other
// 56 are then never written, and the processor refuses what it finds there. Included before each file of a build for AMX.
#ifdef __AMX_TILE__
#include <immintrin.h>
#define _tile_loadconfig(config) __asm__ volatile("ldtilecfg %0" : : "m"(*(const char(*)[64])(config)))
#endif

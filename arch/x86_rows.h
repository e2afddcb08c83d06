/* SPDX-License-Identifier: MIT */
/*
 * What the rows of x86-64 and i386 have in common: features, and the registers that lie
 * in the XSAVE area, which is the same for both (gdb/features/i386/ as of 13).
 */
#ifndef ARCH_X86_ROWS_H
#define ARCH_X86_ROWS_H

#include <stdbool.h>

#include "arch/x86_xsave.h"

enum { F_CORE, F_SSE, F_LINUX, F_SEGMENTS, F_AVX, F_AVX512, F_PKEYS };

extern const struct arch_feature x86_features[];

/* Whether all components of a feature have a place. */
bool x86_has_feature(const struct xsave_layout *l, uint8_t feature);

/* The rows of @base, and those of @extended that @layout (or NULL) has a place for. */
struct err *x86_select(const struct arch *base, const struct reg *extended, size_t nextended,
		       const struct xsave_layout *layout, struct arch **ret) MUST_CHECK;

/* clang-format off */
#define LEGACY(n, t, b, f, c, off, sz, dw, g, p, ...)                            \
	{ .name = n, .type = t, .bits = b, .set = X86_FPR, .feature = f,         \
	  .component = c, .offset = off, .size = sz, .dwarf = dw,                \
	  .get = g, .put = p, __VA_ARGS__ }
#define FC(n, off, sz, g, p)                                                     \
	LEGACY(n, "int", 32, F_CORE, XSAVE_X87, off, sz, -1, g, p, .group = "float")
/* Of a component whose place is not known before: offset is from its start. */
#define EXT(n, t, b, f, c, off, dw)                                              \
	{ .name = n, .type = t, .bits = b, .set = X86_XSTATE, .feature = f,      \
	  .component = c, .offset = off, .size = (b) / 8, .dwarf = dw,           \
	  .get = xsave_get, .put = xsave_put },
#define YMMH(i)   EXT("ymm" #i "h", "uint128", 128, F_AVX, XSAVE_AVX, 16 * (i), -1)
#define ZMMH(i)   EXT("zmm" #i "h", "v2ui128", 256, F_AVX512, XSAVE_ZMM_HI256, 32 * (i), -1)
#define EACH_0_7(M)   M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7)
#define EACH_0_15(M)  EACH_0_7(M) M(8) M(9) M(10) M(11) M(12) M(13) M(14) M(15)
/* clang-format on */

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#endif

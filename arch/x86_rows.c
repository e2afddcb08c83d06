/* SPDX-License-Identifier: MIT */
#include "arch/x86_rows.h"

#include <string.h>

/* clang-format off */
#define VEC128_XML                                                \
	"<vector id=\"v8bf16\" type=\"bfloat16\" count=\"8\"/>\n" \
	"<vector id=\"v8h\" type=\"ieee_half\" count=\"8\"/>\n"   \
	"<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>\n" \
	"<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>\n" \
	"<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>\n"     \
	"<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>\n"     \
	"<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>\n"     \
	"<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>\n"     \
	"<union id=\"vec128\">\n"                                 \
	"<field name=\"v8_bfloat16\" type=\"v8bf16\"/>\n"         \
	"<field name=\"v8_half\" type=\"v8h\"/>\n"                \
	"<field name=\"v4_float\" type=\"v4f\"/>\n"               \
	"<field name=\"v2_double\" type=\"v2d\"/>\n"              \
	"<field name=\"v16_int8\" type=\"v16i8\"/>\n"             \
	"<field name=\"v8_int16\" type=\"v8i16\"/>\n"             \
	"<field name=\"v4_int32\" type=\"v4i32\"/>\n"             \
	"<field name=\"v2_int64\" type=\"v2i64\"/>\n"             \
	"<field name=\"uint128\" type=\"uint128\"/>\n"            \
	"</union>\n"
#define FLAG(name, n) "<field name=\"" name "\" start=\"" #n "\" end=\"" #n "\" type=\"bool\"/>\n"
#define EFLAGS_XML                                                      \
	"<flags id=\"i386_eflags\" size=\"4\">\n"                      \
	FLAG("CF", 0) FLAG("", 1) FLAG("PF", 2) FLAG("AF", 4)           \
	FLAG("ZF", 6) FLAG("SF", 7) FLAG("TF", 8) FLAG("IF", 9)         \
	FLAG("DF", 10) FLAG("OF", 11) FLAG("NT", 14) FLAG("RF", 16)     \
	FLAG("VM", 17) FLAG("AC", 18) FLAG("VIF", 19) FLAG("VIP", 20)   \
	FLAG("ID", 21)                                                  \
	"</flags>\n"
#define MXCSR_XML                                                       \
	"<flags id=\"i386_mxcsr\" size=\"4\">\n"                       \
	FLAG("IE", 0) FLAG("DE", 1) FLAG("ZE", 2) FLAG("OE", 3)         \
	FLAG("UE", 4) FLAG("PE", 5) FLAG("DAZ", 6) FLAG("IM", 7)        \
	FLAG("DM", 8) FLAG("ZM", 9) FLAG("OM", 10) FLAG("UM", 11)       \
	FLAG("PM", 12) FLAG("FZ", 15)                                   \
	"</flags>\n"
#define V2UI128_XML "<vector id=\"v2ui128\" type=\"uint128\" count=\"2\"/>\n"

const struct arch_feature x86_features[] = {
	[F_CORE] = { "org.gnu.gdb.i386.core", EFLAGS_XML },
	[F_SSE] = { "org.gnu.gdb.i386.sse", VEC128_XML MXCSR_XML },
	[F_LINUX] = { "org.gnu.gdb.i386.linux", NULL },
	[F_SEGMENTS] = { "org.gnu.gdb.i386.segments", NULL },
	[F_AVX] = { "org.gnu.gdb.i386.avx", NULL },
	[F_AVX512] = { "org.gnu.gdb.i386.avx512", VEC128_XML V2UI128_XML },
	[F_PKEYS] = { "org.gnu.gdb.i386.pkeys", NULL },
};
/* clang-format on */

/* The components without which a feature's registers have no place. */
static const uint64_t feature_needs[] = {
	[F_AVX] = 1u << XSAVE_AVX,
	[F_AVX512] = 1u << XSAVE_OPMASK | 1u << XSAVE_ZMM_HI256 | 1u << XSAVE_HI16_ZMM,
	[F_PKEYS] = 1u << XSAVE_PKRU,
};

bool x86_has_feature(const struct xsave_layout *l, uint8_t feature)
{
	uint64_t needs = feature_needs[feature];
	return (l->xcr0 & needs) == needs;
}

struct err *x86_select(const struct arch *base, const struct reg *extended, size_t nextended,
		       const struct xsave_layout *layout, struct arch **ret)
{
	struct arch *a;
	uint16_t n = base->nregs;
	struct err *err = arch_create(base, (uint16_t)(n + nextended), &a);
	if (err)
		return err;

	memcpy(a->owned, base->regs, n * sizeof(*a->owned));
	for (uint16_t i = 0; layout && i < n; i++)
		if (a->owned[i].set == X86_FPR)
			a->owned[i].set = X86_XSTATE;
	for (size_t i = 0; layout && i < nextended; i++) {
		if (!x86_has_feature(layout, extended[i].feature))
			continue;
		memcpy(&a->owned[n], &extended[i], sizeof(extended[i]));
		a->owned[n++].offset += layout->offset[extended[i].component];
	}
	a->nregs = n;
	*ret = a;
	return NULL;
}

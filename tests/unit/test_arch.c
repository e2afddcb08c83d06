/* SPDX-License-Identifier: MIT */
/*
 * The rows of the architectures, and the XSAVE area they are read from.  The
 * descriptions in tests/golden/tdesc-*.xml; UPDATE=1 rewrites them.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/aarch64.h"
#include "arch/x86_xsave.h"

#define BIT(n) (UINT64_C(1) << (n))
#define SSE    (BIT(XSAVE_X87) | BIT(XSAVE_SSE))
#define AVX    (SSE | BIT(XSAVE_AVX))
#define AVX512 (AVX | BIT(XSAVE_OPMASK) | BIT(XSAVE_ZMM_HI256) | BIT(XSAVE_HI16_ZMM))
#define PKRU   (AVX512 | BIT(XSAVE_PKRU))

/* Two real layouts: Intel's since Skylake-SP, AMD's Zen 4. */
static const struct xsave_layout intel = {
	.xcr0 = PKRU,
	.offset = { [XSAVE_AVX] = 576,
		    [XSAVE_OPMASK] = 1088,
		    [XSAVE_ZMM_HI256] = 1152,
		    [XSAVE_HI16_ZMM] = 1664,
		    [XSAVE_PKRU] = 2688 },
};
static const struct xsave_layout amd = {
	.xcr0 = PKRU,
	.offset = { [XSAVE_AVX] = 576,
		    [XSAVE_OPMASK] = 832,
		    [XSAVE_ZMM_HI256] = 896,
		    [XSAVE_HI16_ZMM] = 1408,
		    [XSAVE_PKRU] = 2432 },
};

static struct arch *selected(const struct xsave_layout *l, uint64_t xcr0)
{
	struct xsave_layout narrowed = *l;
	struct arch *a = NULL;
	narrowed.xcr0 &= xcr0;
	struct err *err = arch_x86_64_select(&narrowed, &a);
	cr_assert_null(err);
	return a;
}

static const struct reg *named(const struct arch *a, const char *name)
{
	for (uint16_t i = 0; i < a->nregs; i++)
		if (strcmp(a->regs[i].name, name) == 0)
			return &a->regs[i];
	cr_assert_fail("no register %s", name);
	return NULL;
}

static uint64_t get(const struct reg *r, const uint8_t *area)
{
	uint8_t value[64] = { 0 };
	uint64_t ret;
	arch_reg_get(r, area, value);
	memcpy(&ret, value, sizeof(ret));
	return ret;
}

static void put(const struct reg *r, uint8_t *area, uint64_t v)
{
	uint8_t value[64] = { 0 };
	memcpy(value, &v, sizeof(v));
	arch_reg_put(r, area, value);
}

static uint64_t bv(const uint8_t *area)
{
	uint64_t ret;
	memcpy(&ret, area + XSAVE_BV_AT, sizeof(ret));
	return ret;
}

static void set_words(uint8_t *area, uint64_t xcr0, uint64_t in_use)
{
	memcpy(area + XSAVE_XCR0_AT, &xcr0, sizeof(xcr0));
	memcpy(area + XSAVE_BV_AT, &in_use, sizeof(in_use));
}

struct golden_case {
	char file[32];
	uint64_t xcr0; /* 0: no XSAVE */
	uint16_t nregs;
};

ParameterizedTestParameters(arch, description)
{
	static struct golden_case cases[] = {
		{ "tdesc-none.xml", 0, 60 },	  { "tdesc-sse.xml", SSE, 60 },
		{ "tdesc-avx.xml", AVX, 76 },	  { "tdesc-avx512.xml", AVX512, 148 },
		{ "tdesc-pkeys.xml", PKRU, 149 },
	};
	return cr_make_param_array(struct golden_case, cases, sizeof(cases) / sizeof(cases[0]));
}

static void read_golden(const char *path, struct buf *ret)
{
	char text[4096];
	FILE *f = fopen(path, "r");
	cr_assert_not_null(f, "%s", path);
	for (size_t n; (n = fread(text, 1, sizeof(text), f)) > 0;)
		buf_put(ret, text, n);
	fclose(f);
}

static void compare_golden(const struct arch *a, const char *file)
{
	_cleanup_buf_ struct buf got = { 0 }, want = { 0 };
	char path[64];

	arch_tdesc(a, NULL, &got);
	snprintf(path, sizeof(path), "tests/golden/%s", file);
	if (getenv("UPDATE")) {
		FILE *f = fopen(path, "w");
		cr_assert_not_null(f);
		fwrite(got.data, 1, got.len, f);
		fclose(f);
	}
	read_golden(path, &want);
	cr_assert_eq(got.len, want.len, "%s: %zu bytes", file, got.len);
	cr_assert_eq(memcmp(got.data, want.data, want.len), 0, "%s differs", file);
}

ParameterizedTest(struct golden_case *c, arch, description)
{
	struct arch *a = NULL;

	if (c->xcr0)
		a = selected(&intel, c->xcr0);
	else
		cr_assert_null(arch_x86_64_select(NULL, &a));
	cr_assert_eq(a->nregs, c->nregs, "%s: %u registers", c->file, a->nregs);
	compare_golden(a, c->file);
	arch_free(a);
}

Test(arch, i386_is_described_with_what_its_xsave_area_has)
{
	struct arch *a = NULL;
	cr_assert_null(arch_i386_select(&intel, &a));
	cr_assert_eq(a->nregs, 42 + 8 + 8 + 8 + 1);
	cr_assert_eq(a->addr_size, 4);
	compare_golden(a, "tdesc-i386.xml");
	arch_free(a);
	cr_assert_null(arch_i386_select(NULL, &a));
	cr_assert_eq(a->nregs, 42);
	arch_free(a);
}

Test(arch, aarch64_is_described_with_the_regsets_that_there_are)
{
	static const uint32_t all[A64_SETS] = { 272, 528, 16, 16 }, old[A64_SETS] = { 272, 528, 8 };
	static const uint32_t few[A64_SETS] = { 272 };
	struct arch *a = NULL;
	cr_assert_null(arch_aarch64_select(all, &a));
	cr_assert_eq(a->nregs, 72);
	cr_assert_str_eq(a->regs[a->tp].name, "tpidr");
	compare_golden(a, "tdesc-aarch64.xml");
	arch_free(a);
	cr_assert_null(arch_aarch64_select(old, &a));
	cr_assert_eq(a->nregs, 69);
	arch_free(a);
	cr_assert_null(arch_aarch64_select(few, &a));
	cr_assert_eq(a->nregs, 68);
	cr_assert_eq(a->tp, ARCH_NO_REG);
	arch_free(a);
}

Test(arch, every_row_fits_its_regset_and_its_wire_size)
{
	struct arch *a = selected(&intel, PKRU);
	for (uint16_t i = 0; i < a->nregs; i++) {
		const struct reg *r = &a->regs[i];
		cr_assert_lt(r->set, a->nregsets, "%s", r->name);
		cr_assert_leq(r->size * 8, r->bits, "%s", r->name);
		cr_assert_eq(r->bits % 8, 0, "%s", r->name);
		cr_assert_leq(r->offset + r->size, a->regsets[r->set].size, "%s", r->name);
		if (i)
			cr_assert_geq(r->feature, a->regs[i - 1].feature, "%s", r->name);
		for (uint16_t j = 0; j < i; j++)
			cr_assert_str_neq(r->name, a->regs[j].name);
	}
	arch_free(a);
}

Test(arch, the_roles_are_the_registers_they_say)
{
	const struct arch *a = &arch_x86_64;
	cr_assert_str_eq(a->regs[a->pc].name, "rip");
	cr_assert_str_eq(a->regs[a->sp].name, "rsp");
	cr_assert_str_eq(a->regs[a->fp].name, "rbp");
	cr_assert_str_eq(a->regs[a->tp].name, "fs_base");
}

Test(arch, no_two_rows_of_a_regset_overlap)
{
	struct arch *a = selected(&amd, PKRU);
	uint8_t owner[16384] = { 0 };
	for (uint16_t i = 0; i < a->nregs; i++) {
		const struct reg *r = &a->regs[i];
		for (uint32_t at = r->offset; r->set == X86_XSTATE && at < r->offset + r->size;
		     at++) {
			cr_assert_eq(owner[at], 0, "%s at %u", r->name, at);
			owner[at] = 1;
		}
	}
	arch_free(a);
}

Test(xsave, components_are_where_the_layout_says)
{
	static uint8_t area[4096];
	struct arch *i = selected(&intel, PKRU), *m = selected(&amd, PKRU);
	set_words(area, PKRU, PKRU);
	area[1664 + 64 + 16] = 0x11; /* Intel's ymm17h */
	area[1408 + 64 + 16] = 0x22; /* AMD's */
	cr_assert_eq(get(named(i, "ymm17h"), area), 0x11);
	cr_assert_eq(get(named(m, "ymm17h"), area), 0x22);
	arch_free(i);
	arch_free(m);
}

Test(xsave, a_component_not_in_use_reads_as_at_reset)
{
	static uint8_t area[4096];
	struct arch *a = selected(&intel, PKRU);
	memset(area, 0xa5, sizeof(area));
	set_words(area, PKRU, 0);
	cr_assert_eq(get(named(a, "fctrl"), area), 0x37f);
	cr_assert_eq(get(named(a, "fstat"), area), 0);
	cr_assert_eq(get(named(a, "ftag"), area), 0xffff);
	cr_assert_eq(get(named(a, "fop"), area), 0);
	cr_assert_eq(get(named(a, "st3"), area), 0);
	cr_assert_eq(get(named(a, "mxcsr"), area), 0x1f80);
	cr_assert_eq(get(named(a, "xmm5"), area), 0);
	cr_assert_eq(get(named(a, "ymm5h"), area), 0);
	cr_assert_eq(get(named(a, "k1"), area), 0);
	cr_assert_eq(get(named(a, "zmm9h"), area), 0);
	cr_assert_eq(get(named(a, "zmm19h"), area), 0);
	cr_assert_eq(get(named(a, "pkru"), area), 0xa5a5a5a5); /* Linux always gives it */
	set_words(area, PKRU, BIT(XSAVE_AVX));
	cr_assert_eq(get(named(a, "mxcsr"), area), 0xa5a5a5a5);
	arch_free(a);
}

Test(xsave, a_write_puts_its_component_in_use)
{
	static uint8_t area[4096];
	struct arch *a = selected(&intel, AVX512);
	set_words(area, AVX512, 0);
	put(named(a, "xmm1"), area, 5);
	cr_assert_eq(bv(area), BIT(XSAVE_SSE));
	put(named(a, "zmm20h"), area, 6);
	cr_assert_eq(bv(area), BIT(XSAVE_SSE) | BIT(XSAVE_HI16_ZMM));
	put(named(a, "ftag"), area, 0xfffc);
	cr_assert_eq(bv(area), BIT(XSAVE_X87) | BIT(XSAVE_SSE) | BIT(XSAVE_HI16_ZMM));
	cr_assert_eq(get(named(a, "xmm1"), area), 5);
	cr_assert_eq(get(named(a, "zmm20h"), area), 6);
	arch_free(a);
}

Test(xsave, writing_back_what_was_read_changes_nothing)
{
	static uint8_t area[4096], before[4096];
	struct arch *a = selected(&intel, PKRU);
	memset(area, 0x5a, sizeof(area));
	memset(area + 24, 0, 4);
	set_words(area, PKRU, BIT(XSAVE_AVX));
	memcpy(before, area, sizeof(area));
	for (uint16_t i = 0; i < a->nregs; i++) {
		uint8_t value[64];
		if (a->regs[i].set != X86_XSTATE)
			continue;
		arch_reg_get(&a->regs[i], area, value);
		arch_reg_put(&a->regs[i], area, value);
		cr_assert_arr_eq(area, before, sizeof(area), "%s", a->regs[i].name);
	}
	arch_free(a);
}

/* See mark_used(): Linux would set it to 0, which takes the protection away. */
Test(xsave, a_write_of_another_register_keeps_pkru)
{
	static uint8_t area[4096];
	struct arch *a = selected(&intel, PKRU);
	set_words(area, PKRU, 0);
	put(named(a, "xmm0"), area, 1);
	cr_assert_eq(bv(area), BIT(XSAVE_SSE) | BIT(XSAVE_PKRU));
	arch_free(a);
}

Test(xsave, the_tag_word_says_what_is_in_each_register)
{
	static uint8_t area[4096];
	struct arch *a = selected(&intel, SSE);
	const struct reg *ftag = named(a, "ftag");
	static const uint8_t one[10] = { 0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f };
	static const uint8_t inf[10] = { 0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x7f };

	set_words(area, SSE, SSE);
	area[2 + 1] = 5 << 3;		     /* TOP = 5: st0 is physical 5 */
	area[4] = 1 << 5 | 1 << 6 | 1 << 7;  /* not empty */
	memcpy(area + 32, one, sizeof(one)); /* st0, physical 5: valid */
	memset(area + 48, 0, 10);	     /* st1, physical 6: zero */
	memcpy(area + 64, inf, sizeof(inf)); /* st2, physical 7: special */
	cr_assert_eq(get(ftag, area), 0x93ff);

	put(ftag, area, 0x3fff);
	cr_assert_eq(area[4], 1 << 7);
	arch_free(a);
}

Test(xsave, the_rows_without_xsave_are_of_the_fxsave_area)
{
	static uint8_t area[512];
	struct arch *a = NULL;
	cr_assert_null(arch_x86_64_select(NULL, &a));
	area[160] = 7;
	cr_assert_eq(named(a, "xmm0")->set, X86_FPR);
	cr_assert_eq(get(named(a, "xmm0"), area), 7);
	put(named(a, "xmm0"), area, 8);
	cr_assert_eq(area[160], 8);
	arch_free(a);
}

Test(xsave, an_area_too_short_for_xsave_is_no_xsave)
{
	static const uint8_t area[512];
	struct arch *a = NULL;
	const struct xsave_layout cpu = { .xcr0 = 3 };
	cr_assert_null(arch_x86_64_detect(&cpu, area, sizeof(area), &a));
	cr_assert_eq(a->nregs, 60);
	cr_assert_eq(named(a, "st0")->set, X86_FPR);
	arch_free(a);
}

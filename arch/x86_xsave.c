/* SPDX-License-Identifier: MIT */
#include "arch/x86_xsave.h"

#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define BIT(n) (UINT64_C(1) << (n))

/* Offsets in the legacy area. */
enum { AT_FCTRL = 0, AT_FSTAT = 2, AT_FTAG = 4, AT_ST0 = 32 };
#define FCTRL_RESET 0x37fu
#define MXCSR_RESET 0x1f80u

static uint64_t load(const uint8_t *p, size_t size)
{
	uint64_t v = 0;
	memcpy(&v, p, size);
	return v;
}

static void store(uint8_t *p, uint64_t v, size_t size)
{
	memcpy(p, &v, size);
}

uint64_t xsave_xcr0(const uint8_t *area, size_t size)
{
	uint64_t legacy = BIT(XSAVE_X87) | BIT(XSAVE_SSE);
	return size < XSAVE_MIN ? legacy : load(area + XSAVE_XCR0_AT, 8) | legacy;
}

void xsave_layout_cpu(struct xsave_layout *ret)
{
	*ret = (struct xsave_layout){ .xcr0 = BIT(XSAVE_X87) | BIT(XSAVE_SSE) };
#if defined(__x86_64__)
	/* Leaf 0xD, sub-leaf N: EAX is the component's size, EBX its offset. */
	uint32_t size, offset, flags, unused, known;
	if (!__get_cpuid_count(0xd, 0, &known, &offset, &flags, &unused))
		return;
	for (unsigned int i = XSAVE_AVX; i < XSAVE_COMPONENTS; i++) {
		if (!(known & BIT(i)))
			continue;
		__cpuid_count(0xd, i, size, offset, flags, unused);
		if (size && offset >= XSAVE_MIN) {
			ret->offset[i] = offset;
			ret->xcr0 |= BIT(i);
		}
	}
#endif
}

void xsave_layout_restrict(struct xsave_layout *layout, uint64_t xcr0)
{
	layout->xcr0 &= xcr0;
	for (unsigned int i = XSAVE_AVX; i < XSAVE_COMPONENTS; i++)
		if (!(layout->xcr0 & BIT(i)))
			layout->offset[i] = 0;
}

/* Is there a value for component @n, or does it stand at reset? */
static bool in_use(const struct reg *r, const uint8_t *area, unsigned int n)
{
	return r->set != X86_XSTATE || (load(area + XSAVE_BV_AT, 8) & BIT(n));
}

/*
 * The component now has a value.  The kernel gave the reset values of the
 * components that had none, so the rest of its bytes are right already.
 *
 * PKRU is the exception: Linux keeps it elsewhere, gives its true value even
 * while XSTATE_BV denies it one, and sets it to 0 on a write that does the
 * same (arch/x86/kernel/fpu/xstate.c, since 5.14).  So claim it in every write.
 */
static void mark_used(const struct reg *r, uint8_t *area)
{
	if (r->set != X86_XSTATE)
		return;
	uint64_t bv = load(area + XSAVE_BV_AT, 8) | BIT(r->component);
	bv |= load(area + XSAVE_XCR0_AT, 8) & BIT(XSAVE_PKRU);
	store(area + XSAVE_BV_AT, bv, 8);
}

void xsave_get(const struct reg *r, const uint8_t *area, uint8_t *ret)
{
	if (in_use(r, area, r->component) || r->component == XSAVE_PKRU)
		memcpy(ret, area + r->offset, r->size);
	else if (r->component == XSAVE_X87 && r->offset == AT_FCTRL)
		store(ret, FCTRL_RESET, 2);
}

void xsave_put(const struct reg *r, uint8_t *area, const uint8_t *value)
{
	uint8_t now[64] = { 0 };
	/* A debugger writes back all it read: what is at reset shall stay so. */
	arch_reg_get(r, area, now);
	if (memcmp(now, value, r->size) == 0)
		return;
	memcpy(area + r->offset, value, r->size);
	mark_used(r, area);
}

/* MXCSR belongs to SSE and AVX alike (SDM volume 1, 13.5.2). */
void xsave_get_mxcsr(const struct reg *r, const uint8_t *area, uint8_t *ret)
{
	if (in_use(r, area, XSAVE_SSE) || in_use(r, area, XSAVE_AVX))
		memcpy(ret, area + r->offset, r->size);
	else
		store(ret, MXCSR_RESET, 4);
}

/* The tag that FSAVE would give an 80-bit value: 0 valid, 1 zero, 2 special. */
static unsigned int tag_of(const uint8_t *st)
{
	uint64_t mantissa = load(st, 8);
	unsigned int exponent = (unsigned int)load(st + 8, 2) & 0x7fff;
	if (exponent == 0)
		return mantissa ? 2 : 1;
	return exponent != 0x7fff && mantissa >> 63 ? 0 : 2;
}

/*
 * FXSAVE keeps one bit for each physical x87 register, "not empty"; gdb wants
 * FSAVE's two, which say what is in it.  st_space is in stack order.
 */
void xsave_get_ftag(const struct reg *r, const uint8_t *area, uint8_t *ret)
{
	bool used = in_use(r, area, XSAVE_X87);
	unsigned int bits = used ? area[AT_FTAG] : 0;
	unsigned int top = (unsigned int)load(area + AT_FSTAT, 2) >> 11 & 7;
	unsigned int full = 0;
	for (unsigned int i = 0; i < 8; i++) {
		const uint8_t *st = area + AT_ST0 + (size_t)16 * ((i - top) & 7);
		full |= (bits >> i & 1 ? tag_of(st) : 3u) << (2 * i);
	}
	store(ret, full, 2);
}

void xsave_put_ftag(const struct reg *r, uint8_t *area, const uint8_t *value)
{
	unsigned int full = (unsigned int)load(value, 2), bits = 0;
	for (unsigned int i = 0; i < 8; i++)
		if ((full >> (2 * i) & 3) != 3)
			bits |= 1u << i;
	if (bits == (in_use(r, area, XSAVE_X87) ? area[AT_FTAG] : 0u))
		return;
	area[AT_FTAG] = (uint8_t)bits;
	mark_used(r, area);
}

/* The opcode has 11 bits; the rest of its word means nothing. */
void xsave_get_fop(const struct reg *r, const uint8_t *area, uint8_t *ret)
{
	if (in_use(r, area, XSAVE_X87))
		store(ret, load(area + r->offset, 2) & 0x7ff, 2);
}

void xsave_put_fop(const struct reg *r, uint8_t *area, const uint8_t *value)
{
	uint8_t masked[2];
	store(masked, load(value, 2) & 0x7ff, 2);
	xsave_put(r, area, masked);
}

/* ---- the CPU that made a core ---- */

struct layout_row {
	uint64_t xcr0; /* among these components, */
	size_t size;   /* an area of so many bytes; 0: any that holds them */
	struct {
		uint8_t component;
		uint16_t offset;
	} at[5];
};

#define AVX512_BITS (BIT(XSAVE_OPMASK) | BIT(XSAVE_ZMM_HI256) | BIT(XSAVE_HI16_ZMM))
#define OTHER_BITS  (BIT(XSAVE_X87) | BIT(XSAVE_SSE) | BIT(XSAVE_AVX))

/* The first that fits counts; the last is Intel's. */
static const struct layout_row layout_rows[] = {
	/* AMD with AVX-512 */
	{ OTHER_BITS | AVX512_BITS | BIT(XSAVE_PKRU),
	  2440,
	  { { XSAVE_AVX, 576 },
	    { XSAVE_OPMASK, 832 },
	    { XSAVE_ZMM_HI256, 896 },
	    { XSAVE_HI16_ZMM, 1408 },
	    { XSAVE_PKRU, 2432 } } },
	{ OTHER_BITS | AVX512_BITS,
	  2432,
	  { { XSAVE_AVX, 576 },
	    { XSAVE_OPMASK, 832 },
	    { XSAVE_ZMM_HI256, 896 },
	    { XSAVE_HI16_ZMM, 1408 } } },
	/* AMD without */
	{ OTHER_BITS | BIT(XSAVE_PKRU), 840, { { XSAVE_AVX, 576 }, { XSAVE_PKRU, 832 } } },
	{ UINT64_MAX,
	  0,
	  { { XSAVE_AVX, 576 },
	    { XSAVE_OPMASK, 1088 },
	    { XSAVE_ZMM_HI256, 1152 },
	    { XSAVE_HI16_ZMM, 1664 },
	    { XSAVE_PKRU, 2688 } } },
};

static size_t component_size(unsigned int n)
{
	static const uint16_t sizes[XSAVE_COMPONENTS] = {
		[XSAVE_AVX] = 256,	 [XSAVE_OPMASK] = 64, [XSAVE_ZMM_HI256] = 512,
		[XSAVE_HI16_ZMM] = 1024, [XSAVE_PKRU] = 8,
	};
	return sizes[n];
}

void xsave_layout_guess(uint64_t xcr0, size_t size, struct xsave_layout *ret)
{
	const struct layout_row *row = layout_rows;

	while (row->size && (row->size != size || xcr0 & ~row->xcr0))
		row++;
	*ret = (struct xsave_layout){ .xcr0 = BIT(XSAVE_X87) | BIT(XSAVE_SSE) };
	for (size_t i = 0; i < sizeof(row->at) / sizeof(row->at[0]); i++) {
		unsigned int n = row->at[i].component;
		if (!n || !(xcr0 & BIT(n)) || row->at[i].offset + component_size(n) > size)
			continue;
		ret->offset[n] = row->at[i].offset;
		ret->xcr0 |= BIT(n);
	}
}

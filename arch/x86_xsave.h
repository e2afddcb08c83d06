/* SPDX-License-Identifier: MIT */
/*
 * The XSAVE area of x86 in its standard format, as PTRACE_GETREGSET and cores
 * give it under NT_X86_XSTATE (Intel SDM volume 1, 13.4; Linux
 * arch/x86/kernel/fpu/regset.c).
 *
 *	0    the legacy area, which is all of NT_PRFPREG (FXSAVE64)
 *	464  XCR0 as this process has it: written there by Linux for debuggers
 *	512  XSTATE_BV: the components in use; the others hold no value, and have
 *	     the one they get at reset
 *	576  the components, each at an offset that the CPU model chooses: AMD's
 *	     AVX-512 is not where Intel's is, so it is CPUID that must be asked,
 *	     and the CPU that made a core need not be ours.
 */
#ifndef ARCH_X86_XSAVE_H
#define ARCH_X86_XSAVE_H

#include "arch/arch.h"

enum xsave_component {
	XSAVE_X87 = 0,
	XSAVE_SSE = 1,
	XSAVE_AVX = 2,	     /* ymm0..15, high 128 bits */
	XSAVE_OPMASK = 5,    /* k0..7 */
	XSAVE_ZMM_HI256 = 6, /* zmm0..15, high 256 bits */
	XSAVE_HI16_ZMM = 7,  /* zmm16..31, whole */
	XSAVE_PKRU = 9,
	XSAVE_COMPONENTS = 20 /* as many as we could be told of */
};

/* Indices into the regsets of arch_x86_64, arch_i386 and those made from it. */
enum x86_regset { X86_GPR, X86_FPR, X86_XSTATE };

#define XSAVE_XCR0_AT 464u
#define XSAVE_BV_AT   512u
#define XSAVE_MIN     576u /* legacy area and header */

struct xsave_layout {
	uint64_t xcr0;			   /* components that exist for the process */
	uint32_t offset[XSAVE_COMPONENTS]; /* from 2 on; 0: no such component */
};

/*
 * Where this machine's CPU puts all that it knows; only x87 and SSE if it is not an x86.
 * Asking it may take some ten microseconds in a virtual machine.
 */
void xsave_layout_cpu(struct xsave_layout *ret);

/*
 * Where the CPU had them that wrote an area of @size bytes with XCR0 @xcr0: what Intel's
 * and AMD's processors are known to do.  What does not fit into the area is left out.
 */
void xsave_layout_guess(uint64_t xcr0, size_t size, struct xsave_layout *ret);

/* Leaves of @layout the components that are in @xcr0. */
void xsave_layout_restrict(struct xsave_layout *layout, uint64_t xcr0);

/* The XCR0 that Linux noted in the area; x87 and SSE alone if it is too short. */
uint64_t xsave_xcr0(const uint8_t *area, size_t size);

/*
 * The architecture with the registers of @layout; NULL: a machine without
 * XSAVE, or a core without its note.  To be freed with arch_free().
 */
struct err *arch_x86_64_select(const struct xsave_layout *layout, struct arch **ret) MUST_CHECK;
struct err *arch_i386_select(const struct xsave_layout *layout, struct arch **ret) MUST_CHECK;

/*
 * The same for a live process on this machine, whose CPU's layout is @cpu.  @area is
 * NT_X86_XSTATE of a thread of it, @size what the kernel gave of it; 0: it has none.
 */
struct err *arch_x86_64_detect(const struct xsave_layout *cpu, const void *area, size_t size,
			       struct arch **ret) MUST_CHECK;
struct err *arch_i386_detect(const struct xsave_layout *cpu, const void *area, size_t size,
			     struct arch **ret) MUST_CHECK;

/* Row hooks: a register of an XSAVE component, or of the legacy area alone. */
void xsave_get(const struct reg *r, const uint8_t *area, uint8_t *ret);
void xsave_put(const struct reg *r, uint8_t *area, const uint8_t *value);
void xsave_get_mxcsr(const struct reg *r, const uint8_t *area, uint8_t *ret);
void xsave_get_ftag(const struct reg *r, const uint8_t *area, uint8_t *ret);
void xsave_put_ftag(const struct reg *r, uint8_t *area, const uint8_t *value);
void xsave_get_fop(const struct reg *r, const uint8_t *area, uint8_t *ret);
void xsave_put_fop(const struct reg *r, uint8_t *area, const uint8_t *value);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The x86 debug registers: four addresses and a control word (Intel SDM volume
 * 3, "Debug Registers").
 *
 * One table serves every thread of a process.  An unaligned or long region is
 * spread over several registers; equal regions share one.
 */
#ifndef ARCH_X86_DREGS_H
#define ARCH_X86_DREGS_H

#include <stdbool.h>
#include <stdint.h>

#include "stub/base/err.h"

#define X86_DREGS 4u

enum x86_dreg_type { X86_DR_EXEC = 0, X86_DR_WRITE = 1, X86_DR_ACCESS = 3 };

struct x86_dreg {
	uint64_t addr;
	uint8_t type; /* enum x86_dreg_type */
	uint8_t len;  /* 1, 2, 4 or 8 */
	uint16_t refs;
};

struct x86_dregs {
	struct x86_dreg reg[X86_DREGS];
	uint64_t generation; /* of the last change; a thread with another one is out of date */
};

/* Covers [addr, addr + len); all of it or an ERR_STATE, "no debug register is free". */
struct err *x86_dregs_insert(struct x86_dregs *d, enum x86_dreg_type type, uint64_t addr,
			     uint64_t len) MUST_CHECK;
/* What is not there is not removed, and no error. */
void x86_dregs_remove(struct x86_dregs *d, enum x86_dreg_type type, uint64_t addr, uint64_t len);

bool x86_dregs_any(const struct x86_dregs *d);
/* The value for DR7. */
uint64_t x86_dregs_control(const struct x86_dregs *d);
/* The register that DR6 says was hit, a data watch before an execution one; NULL: none of ours. */
const struct x86_dreg *x86_dregs_hit(const struct x86_dregs *d, uint64_t dr6);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Doing in a thread's stead what the instruction under a breakpoint does, so that
 * the breakpoint can stay where it is while other threads run by.
 *
 * Only what stands where breakpoints are set, and only what another thread can't see
 * being done in pieces: instructions on registers and on the thread's own stack, loads of
 * aligned words from anywhere, and jumps (Intel SDM volume 2; 64-bit code).  Everything
 * else is for the processor: false, and nothing was changed.  Among that are all other
 * stores: one may be what ends a restartable sequence (rseq(2)), which the kernel gives
 * up when the thread has been stopped.
 */
#ifndef ARCH_X86_EMULATE_H
#define ARCH_X86_EMULATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

#define X86_INSN_MAX 15u

/* The thread's memory.  False: it can't be done, and nothing was. */
struct x86_memory {
	bool (*read)(void *ctx, uint64_t addr, void *buf, size_t len);
	/* Only what the program itself may write. */
	bool (*write)(void *ctx, uint64_t addr, const void *buf, size_t len);
	/* Whether returns are checked against a second stack, which can't be kept up. */
	bool (*has_shadow_stack)(void *ctx);
	void *ctx;
};

/* @code: what is at r->rip without breakpoints, @len bytes, as many as can be read. */
bool x86_emulate(const uint8_t *code, size_t len, struct user_regs_struct *r,
		 const struct x86_memory *mem);

#endif

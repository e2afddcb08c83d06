/* SPDX-License-Identifier: MIT */
/*
 * The siginfo of a 32-bit process.  A 64-bit tracer is given siginfo_t as 64-bit programs have
 * it; the process itself, and a debugger that knows its types, has Linux's compat_siginfo
 * (include/linux/compat.h).  Both have 128 bytes.
 */
#ifndef ARCH_X86_SIGINFO_H
#define ARCH_X86_SIGINFO_H

#include <stdint.h>

#define X86_SIGINFO_SIZE 128u

void x86_siginfo_narrow(const uint8_t wide[X86_SIGINFO_SIZE], uint8_t ret[X86_SIGINFO_SIZE]);
/* What is wider there is extended as the kernel does it: addresses by zeros, times by their sign. */
void x86_siginfo_widen(const uint8_t narrow[X86_SIGINFO_SIZE], uint8_t ret[X86_SIGINFO_SIZE]);

#endif

/* SPDX-License-Identifier: MIT */
/* AArch64: which registers a core has, its notes tell. */
#ifndef ARCH_AARCH64_H
#define ARCH_AARCH64_H

#include "arch/arch.h"

/* Indices into the regsets of arch_aarch64 and those made from it. */
enum a64_regset { A64_GPR, A64_FPR, A64_TLS, A64_PAC, A64_SETS };

/* The rows that have a place in regsets of so many bytes.  To be freed with arch_free(). */
struct err *arch_aarch64_select(const uint32_t sizes[A64_SETS], struct arch **ret) MUST_CHECK;

#endif

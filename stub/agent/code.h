/* SPDX-License-Identifier: MIT */
/* The form that agent expressions are kept in; for the files of this folder only. */
#ifndef STUB_AGENT_CODE_H
#define STUB_AGENT_CODE_H

#include "stub/agent/agent.h"

/* One bytecode with its operand; the next one follows it. */
struct agent_insn {
	uint8_t op;   /* enum agent_op; all ref and const opcodes are one each, the widest */
	uint8_t n;    /* bytes of a ref, bits of an ext, depth of a pick, arguments of a printf */
	uint16_t arg; /* register, variable, size of a trace, length of a format with its NUL */
	uint32_t to;  /* where a jump leads, an index; where a format begins in `text' */
	uint64_t value;
};

struct agent_code {
	struct agent_insn *insn;
	size_t n;
	char *text; /* formats, each with its NUL */
	size_t text_len;
};

/* Whether @format (with a NUL) can be printed with @nargs values; ERR_PROTO says why not. */
struct err *agent_check_format(const char *format, unsigned int nargs) MUST_CHECK;

/* Prints @args, the first one first, through ops->print. */
struct err *agent_print(const char *format, const uint64_t *args, const struct agent_ops *ops,
			void *ctx) MUST_CHECK;

#endif

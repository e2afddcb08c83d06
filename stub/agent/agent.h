/* SPDX-License-Identifier: MIT */
/*
 * Agent expressions: what a client wants evaluated where the inferior is, in the
 * bytecode of the GDB manual's appendix "The GDB Agent Expression Mechanism".
 *
 * An expression comes from the wire, so it is checked once, when it comes: every
 * jump leads to a bytecode, no bytecode is cut off, each finds as many values on the
 * stack as it takes, the same number however it is reached, and the stack has a
 * bound.  What passes is kept in a form that is quick to run.  When it runs its
 * steps are counted, since a jump may lead back.
 *
 * Nothing here knows a target: memory and registers are the caller's, in `struct
 * agent_ops'.
 */
#ifndef STUB_AGENT_AGENT_H
#define STUB_AGENT_AGENT_H

#include <stddef.h>
#include <stdint.h>

#include "stub/base/err.h"

#define AGENT_BYTES_MAX 0x10000u /* of one expression: a jump reaches no farther */
#define AGENT_STACK_MAX 256u	 /* values */
#define AGENT_STEPS_MAX 100000u	 /* bytecodes that one run may take */
#define AGENT_TRACE_MAX 0x10000u /* bytes that one tracenz looks through */
#define AGENT_TEXT_MAX	4096u	 /* bytes that one printf may make */

/* The opcodes, with the manual's names. */
enum agent_op {
	AGENT_FLOAT = 0x01,
	AGENT_ADD = 0x02,
	AGENT_SUB = 0x03,
	AGENT_MUL = 0x04,
	AGENT_DIV_SIGNED = 0x05,
	AGENT_DIV_UNSIGNED = 0x06,
	AGENT_REM_SIGNED = 0x07,
	AGENT_REM_UNSIGNED = 0x08,
	AGENT_LSH = 0x09,
	AGENT_RSH_SIGNED = 0x0a,
	AGENT_RSH_UNSIGNED = 0x0b,
	AGENT_TRACE = 0x0c,
	AGENT_TRACE_QUICK = 0x0d,
	AGENT_LOG_NOT = 0x0e,
	AGENT_BIT_AND = 0x0f,
	AGENT_BIT_OR = 0x10,
	AGENT_BIT_XOR = 0x11,
	AGENT_BIT_NOT = 0x12,
	AGENT_EQUAL = 0x13,
	AGENT_LESS_SIGNED = 0x14,
	AGENT_LESS_UNSIGNED = 0x15,
	AGENT_EXT = 0x16,
	AGENT_REF8 = 0x17,
	AGENT_REF16 = 0x18,
	AGENT_REF32 = 0x19,
	AGENT_REF64 = 0x1a,
	AGENT_REF_FLOAT = 0x1b,
	AGENT_REF_DOUBLE = 0x1c,
	AGENT_REF_LONG_DOUBLE = 0x1d,
	AGENT_L_TO_D = 0x1e,
	AGENT_D_TO_L = 0x1f,
	AGENT_IF_GOTO = 0x20,
	AGENT_GOTO = 0x21,
	AGENT_CONST8 = 0x22,
	AGENT_CONST16 = 0x23,
	AGENT_CONST32 = 0x24,
	AGENT_CONST64 = 0x25,
	AGENT_REG = 0x26,
	AGENT_END = 0x27,
	AGENT_DUP = 0x28,
	AGENT_POP = 0x29,
	AGENT_ZERO_EXT = 0x2a,
	AGENT_SWAP = 0x2b,
	AGENT_GETV = 0x2c,
	AGENT_SETV = 0x2d,
	AGENT_TRACEV = 0x2e,
	AGENT_TRACENZ = 0x2f,
	AGENT_TRACE16 = 0x30,
	AGENT_PICK = 0x32,
	AGENT_ROT = 0x33,
	AGENT_PRINTF = 0x34,
	AGENT_OPS
};

/* What an expression acts on.  An error ends it, and is what agent_run() returns. */
struct agent_ops {
	/* Register @n by the number that target.xml gives it. */
	struct err *(*reg)(void *ctx, uint16_t n, uint64_t *ret);
	/* All of @len bytes. */
	struct err *(*read)(void *ctx, uint64_t addr, void *buf, size_t len);
	/* Trace state variable @n; NULL: there are none, and asking for one is an error. */
	struct err *(*var_get)(void *ctx, uint16_t n, uint64_t *ret);
	struct err *(*var_set)(void *ctx, uint16_t n, uint64_t value);
	/* Records memory, or a variable; NULL: nothing is being collected, and nothing is done. */
	struct err *(*trace)(void *ctx, uint64_t addr, uint64_t len);
	struct err *(*trace_var)(void *ctx, uint16_t n);
	/* Text of a printf; NULL: nobody reads it. */
	void (*print)(void *ctx, const char *text, size_t len);
};

struct agent_code;

/* ERR_PROTO: not an expression, the text says why.  ERR_UNSUPPORTED never. */
struct err *agent_compile(const uint8_t *bytes, size_t len, struct agent_code **ret) MUST_CHECK;
void agent_free(struct agent_code *code);

/* *ret: the value on top of the stack at the end, 0 if there is none. */
struct err *agent_run(const struct agent_code *code, const struct agent_ops *ops, void *ctx,
		      uint64_t *ret) MUST_CHECK;

#endif

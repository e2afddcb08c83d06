/* SPDX-License-Identifier: MIT */
/* From bytecode off the wire to code that is known to be sound. */
#include <stdlib.h>
#include <string.h>

#include "stub/agent/code.h"

/* What each bytecode has and does: GDB manual, "Bytecode Descriptions". */
struct shape {
	uint8_t operand; /* bytes that follow it; a printf's format comes on top */
	uint8_t pops, pushes;
	bool there;
	bool floating; /* "unimplemented" says the manual of all of floating point */
};

/* clang-format off */
static const struct shape shapes[AGENT_OPS] = {
	[AGENT_FLOAT]           = { 0, 0, 0, true, true },
	[AGENT_ADD]             = { 0, 2, 1, true, false },
	[AGENT_SUB]             = { 0, 2, 1, true, false },
	[AGENT_MUL]             = { 0, 2, 1, true, false },
	[AGENT_DIV_SIGNED]      = { 0, 2, 1, true, false },
	[AGENT_DIV_UNSIGNED]    = { 0, 2, 1, true, false },
	[AGENT_REM_SIGNED]      = { 0, 2, 1, true, false },
	[AGENT_REM_UNSIGNED]    = { 0, 2, 1, true, false },
	[AGENT_LSH]             = { 0, 2, 1, true, false },
	[AGENT_RSH_SIGNED]      = { 0, 2, 1, true, false },
	[AGENT_RSH_UNSIGNED]    = { 0, 2, 1, true, false },
	[AGENT_TRACE]           = { 0, 2, 0, true, false },
	[AGENT_TRACE_QUICK]     = { 1, 1, 1, true, false },
	[AGENT_LOG_NOT]         = { 0, 1, 1, true, false },
	[AGENT_BIT_AND]         = { 0, 2, 1, true, false },
	[AGENT_BIT_OR]          = { 0, 2, 1, true, false },
	[AGENT_BIT_XOR]         = { 0, 2, 1, true, false },
	[AGENT_BIT_NOT]         = { 0, 1, 1, true, false },
	[AGENT_EQUAL]           = { 0, 2, 1, true, false },
	[AGENT_LESS_SIGNED]     = { 0, 2, 1, true, false },
	[AGENT_LESS_UNSIGNED]   = { 0, 2, 1, true, false },
	[AGENT_EXT]             = { 1, 1, 1, true, false },
	[AGENT_REF8]            = { 0, 1, 1, true, false },
	[AGENT_REF16]           = { 0, 1, 1, true, false },
	[AGENT_REF32]           = { 0, 1, 1, true, false },
	[AGENT_REF64]           = { 0, 1, 1, true, false },
	[AGENT_REF_FLOAT]       = { 0, 1, 1, true, true },
	[AGENT_REF_DOUBLE]      = { 0, 1, 1, true, true },
	[AGENT_REF_LONG_DOUBLE] = { 0, 1, 1, true, true },
	[AGENT_L_TO_D]          = { 0, 1, 1, true, true },
	[AGENT_D_TO_L]          = { 0, 1, 1, true, true },
	[AGENT_IF_GOTO]         = { 2, 1, 0, true, false },
	[AGENT_GOTO]            = { 2, 0, 0, true, false },
	[AGENT_CONST8]          = { 1, 0, 1, true, false },
	[AGENT_CONST16]         = { 2, 0, 1, true, false },
	[AGENT_CONST32]         = { 4, 0, 1, true, false },
	[AGENT_CONST64]         = { 8, 0, 1, true, false },
	[AGENT_REG]             = { 2, 0, 1, true, false },
	[AGENT_END]             = { 0, 0, 0, true, false },
	[AGENT_DUP]             = { 0, 1, 2, true, false },
	[AGENT_POP]             = { 0, 1, 0, true, false },
	[AGENT_ZERO_EXT]        = { 1, 1, 1, true, false },
	[AGENT_SWAP]            = { 0, 2, 2, true, false },
	[AGENT_GETV]            = { 2, 0, 1, true, false },
	[AGENT_SETV]            = { 2, 1, 1, true, false },
	[AGENT_TRACEV]          = { 2, 0, 0, true, false },
	[AGENT_TRACENZ]         = { 0, 2, 0, true, false },
	[AGENT_TRACE16]         = { 2, 1, 1, true, false },
	[AGENT_PICK]            = { 1, 0, 1, true, false },
	[AGENT_ROT]             = { 0, 3, 3, true, false },
	[AGENT_PRINTF]          = { 3, 2, 0, true, false },
};
/* clang-format on */

#define UNSEEN (-1)
#define INSIDE (-2) /* an operand's byte */

struct compiler {
	const uint8_t *bytes;
	size_t len;
	int32_t *height; /* by offset: values on the stack before the bytecode there, or above */
	uint32_t *index; /* by offset: which bytecode it becomes */
	uint32_t *todo;	 /* offsets that are reached, their successors not looked at yet */
	size_t ntodo, n;
	struct agent_code *code;
};

static uint64_t operand(const uint8_t *at, size_t len)
{
	uint64_t v = 0;
	while (len--)
		v = v << 8 | *at++;
	return v;
}

/* Bytes of the bytecode at @at with all that belongs to it; 0: it is cut off. */
static size_t length_at(const struct compiler *c, size_t at)
{
	size_t len = 1u + shapes[c->bytes[at]].operand;

	if (at + len > c->len)
		return 0;
	if (c->bytes[at] == AGENT_PRINTF)
		len += operand(&c->bytes[at + 2], 2);
	return at + len > c->len ? 0 : len;
}

static struct err *check_printf(const struct compiler *c, size_t at)
{
	size_t len = operand(&c->bytes[at + 2], 2);
	const char *format = (const char *)&c->bytes[at + 4];

	if (!len || memchr(format, 0, len) != format + len - 1)
		return err_new(ERR_PROTO, "the format of the printf at %zu does not end in a NUL",
			       at);
	return agent_check_format(format, c->bytes[at + 1]);
}

static struct err *check_operand(const struct compiler *c, size_t at)
{
	switch (c->bytes[at]) {
	case AGENT_EXT:
	case AGENT_ZERO_EXT:
		if (!c->bytes[at + 1])
			return err_new(ERR_PROTO, "an extension from 0 bits at %zu", at);
		return NULL;
	case AGENT_PRINTF:
		return check_printf(c, at);
	default:
		return NULL;
	}
}

/* That the bytecode at @at is one, whole, and on nobody's operand. */
static struct err *check_place(struct compiler *c, size_t at)
{
	uint8_t op = c->bytes[at];
	size_t len;

	if (op >= AGENT_OPS || !shapes[op].there)
		return err_new(ERR_PROTO, "no bytecode has the number 0x%02x, at %zu", op, at);
	if (shapes[op].floating)
		return err_new(ERR_PROTO, "floating point, at %zu, is not supported", at);
	len = length_at(c, at);
	if (!len)
		return err_new(ERR_PROTO, "the bytecode at %zu is cut off", at);
	for (size_t i = 1; i < len; i++) {
		if (c->height[at + i] >= 0)
			return err_new(ERR_PROTO, "a jump leads into the bytecode at %zu", at);
		c->height[at + i] = INSIDE;
	}
	return check_operand(c, at);
}

/* The bytecode at @at is reached with @height values on the stack. */
static struct err *reach(struct compiler *c, size_t at, int32_t height)
{
	if (at >= c->len)
		return err_new(ERR_PROTO, "the expression goes on past its end, at %zu", at);
	if (c->height[at] == INSIDE)
		return err_new(ERR_PROTO, "a jump leads into the middle of a bytecode, at %zu", at);
	if (c->height[at] == height)
		return NULL;
	if (c->height[at] >= 0)
		return err_new(ERR_PROTO, "the stack at %zu has %d values or %d", at, c->height[at],
			       height);
	c->height[at] = height;
	c->todo[c->ntodo++] = (uint32_t)at;
	return NULL;
}

/* How the bytecode at @at changes the stack. */
static struct err *stack_after(const struct compiler *c, size_t at, int32_t *height)
{
	const struct shape *s = &shapes[c->bytes[at]];
	int32_t pops = s->pops, needs;

	if (c->bytes[at] == AGENT_PRINTF)
		pops += c->bytes[at + 1];
	needs = c->bytes[at] == AGENT_PICK ? c->bytes[at + 1] + 1 : pops;
	if (*height < needs)
		return err_new(ERR_PROTO, "the stack at %zu has %d values, which takes %d", at,
			       *height, needs);
	*height += s->pushes - pops;
	if (*height > (int32_t)AGENT_STACK_MAX)
		return err_new(ERR_PROTO, "more than %u values on the stack, at %zu",
			       AGENT_STACK_MAX, at);
	return NULL;
}

static struct err *follow(struct compiler *c, size_t at)
{
	uint8_t op = c->bytes[at];
	int32_t height = c->height[at];
	struct err *err = check_place(c, at);

	if (!err)
		err = stack_after(c, at, &height);
	c->n++;
	if (err || op == AGENT_END)
		return err;
	if (op == AGENT_IF_GOTO || op == AGENT_GOTO)
		err = reach(c, operand(&c->bytes[at + 1], 2), height);
	if (err || op == AGENT_GOTO)
		return err;
	return reach(c, at + length_at(c, at), height);
}

static struct err *check(struct compiler *c)
{
	struct err *err;

	for (size_t i = 0; i < c->len; i++)
		c->height[i] = UNSEEN;
	err = reach(c, 0, 0);
	while (!err && c->ntodo)
		err = follow(c, c->todo[--c->ntodo]);
	return err;
}

static void emit_printf(struct compiler *c, size_t at, struct agent_insn *ret)
{
	struct agent_code *code = c->code;

	ret->n = c->bytes[at + 1];
	ret->arg = (uint16_t)operand(&c->bytes[at + 2], 2);
	ret->to = (uint32_t)code->text_len;
	memcpy(code->text + code->text_len, &c->bytes[at + 4], ret->arg);
	code->text_len += ret->arg;
}

static void emit(struct compiler *c, size_t at, struct agent_insn *ret)
{
	uint8_t op = c->bytes[at];
	uint64_t value = operand(&c->bytes[at + 1], shapes[op].operand);

	*ret = (struct agent_insn){ .op = op };
	switch (op) {
	case AGENT_REF8:
	case AGENT_REF16:
	case AGENT_REF32:
	case AGENT_REF64:
		ret->op = AGENT_REF64;
		ret->n = (uint8_t)(1u << (op - AGENT_REF8));
		break;
	case AGENT_CONST8:
	case AGENT_CONST16:
	case AGENT_CONST32:
	case AGENT_CONST64:
		ret->op = AGENT_CONST64;
		ret->value = value;
		break;
	case AGENT_IF_GOTO:
	case AGENT_GOTO:
		ret->to = c->index[value];
		break;
	case AGENT_EXT:
	case AGENT_ZERO_EXT:
	case AGENT_PICK:
		ret->n = (uint8_t)value;
		break;
	case AGENT_TRACE_QUICK:
	case AGENT_TRACE16:
		ret->op = AGENT_TRACE16;
		ret->arg = (uint16_t)value;
		break;
	case AGENT_PRINTF:
		emit_printf(c, at, ret);
		break;
	default:
		ret->arg = (uint16_t)value;
	}
}

static struct err *generate(struct compiler *c)
{
	struct agent_code *code = c->code;
	uint32_t n = 0;

	code->insn = calloc(c->n, sizeof(*code->insn));
	code->text = malloc(c->len);
	if (!code->insn || !code->text)
		return &err_nomem;
	for (size_t at = 0; at < c->len; at++)
		if (c->height[at] >= 0)
			c->index[at] = n++;
	for (size_t at = 0; at < c->len; at++)
		if (c->height[at] >= 0)
			emit(c, at, &code->insn[code->n++]);
	return NULL;
}

struct err *agent_compile(const uint8_t *bytes, size_t len, struct agent_code **ret)
{
	struct compiler c = { .bytes = bytes, .len = len };
	struct err *err;

	if (!len || len > AGENT_BYTES_MAX)
		return err_new(ERR_PROTO, "an agent expression of %zu bytes", len);
	c.height = malloc(len * sizeof(*c.height));
	c.index = calloc(len, sizeof(*c.index));
	c.todo = malloc(len * sizeof(*c.todo)); /* an offset comes in once */
	c.code = calloc(1, sizeof(*c.code));
	err = c.height && c.index && c.todo && c.code ? check(&c) : &err_nomem;
	if (!err)
		err = generate(&c);
	free(c.height);
	free(c.index);
	free(c.todo);
	if (err)
		agent_free(c.code);
	else
		*ret = c.code;
	return err;
}

void agent_free(struct agent_code *code)
{
	if (!code)
		return;
	free(code->insn);
	free(code->text);
	free(code);
}

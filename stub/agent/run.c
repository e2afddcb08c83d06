/* SPDX-License-Identifier: MIT */
/*
 * Running what agent_compile() has found sound: no step looks at whether the stack
 * or the code ends.
 */
#include <string.h>

#include "stub/agent/code.h"

struct machine {
	const struct agent_ops *ops;
	void *ctx;
	uint64_t *sp; /* the value on top */
};

/* The processor's numbers are two's complement, and wrap. */
static struct err *divide(uint8_t op, uint64_t a, uint64_t b, uint64_t *ret)
{
	bool minimum = (int64_t)a == INT64_MIN && (int64_t)b == -1;

	if (!b)
		return err_new(ERR_BAD_DATA, "division by zero");
	switch (op) {
	case AGENT_DIV_SIGNED:
		*ret = minimum ? a : (uint64_t)((int64_t)a / (int64_t)b);
		break;
	case AGENT_REM_SIGNED:
		*ret = minimum ? 0 : (uint64_t)((int64_t)a % (int64_t)b);
		break;
	case AGENT_DIV_UNSIGNED:
		*ret = a / b;
		break;
	default:
		*ret = a % b;
	}
	return NULL;
}

/* What is shifted out is gone, however far. */
static uint64_t shift(uint8_t op, uint64_t a, uint64_t by)
{
	if (op == AGENT_RSH_SIGNED)
		return (uint64_t)((int64_t)a >> (by < 64 ? by : 63));
	if (by >= 64)
		return 0;
	return op == AGENT_LSH ? a << by : a >> by;
}

static struct err *binary(uint8_t op, uint64_t a, uint64_t b, uint64_t *ret)
{
	switch (op) {
	case AGENT_ADD:
		*ret = a + b;
		break;
	case AGENT_SUB:
		*ret = a - b;
		break;
	case AGENT_MUL:
		*ret = a * b;
		break;
	case AGENT_LSH:
	case AGENT_RSH_SIGNED:
	case AGENT_RSH_UNSIGNED:
		*ret = shift(op, a, b);
		break;
	case AGENT_BIT_AND:
		*ret = a & b;
		break;
	case AGENT_BIT_OR:
		*ret = a | b;
		break;
	case AGENT_BIT_XOR:
		*ret = a ^ b;
		break;
	case AGENT_EQUAL:
		*ret = a == b;
		break;
	case AGENT_LESS_SIGNED:
		*ret = (int64_t)a < (int64_t)b;
		break;
	case AGENT_LESS_UNSIGNED:
		*ret = a < b;
		break;
	default:
		return divide(op, a, b, ret);
	}
	return NULL;
}

static uint64_t extend(uint64_t v, uint8_t bits, bool is_signed)
{
	if (bits >= 64)
		return v;
	v &= (1ull << bits) - 1;
	if (is_signed && v >> (bits - 1))
		v |= ~0ull << bits;
	return v;
}

static struct err *dereference(struct machine *m, uint8_t size)
{
	uint64_t value = 0;
	struct err *err = m->ops->read(m->ctx, *m->sp, &value, size);

	*m->sp = value;
	return err;
}

/* Up to a NUL, which belongs to it, or @max bytes. */
static struct err *trace_text(struct machine *m, uint64_t addr, uint64_t max)
{
	uint64_t len = 0;
	char byte = 1;

	if (max > AGENT_TRACE_MAX)
		return err_new(ERR_BAD_DATA, "a text of %llu bytes is too long to be traced",
			       (unsigned long long)max);
	while (len < max && byte) {
		struct err *err = m->ops->read(m->ctx, addr + len, &byte, 1);
		if (err)
			return err;
		len++;
	}
	return len ? m->ops->trace(m->ctx, addr, len) : NULL;
}

static struct err *trace(struct machine *m, const struct agent_insn *i)
{
	uint64_t size = *m->sp;

	if (i->op == AGENT_TRACE16)
		return m->ops->trace ? m->ops->trace(m->ctx, *m->sp, i->arg) : NULL;
	m->sp -= 2;
	if (!m->ops->trace)
		return NULL;
	if (i->op == AGENT_TRACENZ)
		return trace_text(m, m->sp[1], size);
	return m->ops->trace(m->ctx, m->sp[1], size);
}

static struct err *variable(struct machine *m, const struct agent_insn *i)
{
	const struct agent_ops *ops = m->ops;

	if (i->op == AGENT_TRACEV)
		return ops->trace_var ? ops->trace_var(m->ctx, i->arg) : NULL;
	if (!(i->op == AGENT_GETV ? ops->var_get != NULL : ops->var_set != NULL))
		return err_new(ERR_NOT_FOUND, "there is no trace state variable %u", i->arg);
	if (i->op == AGENT_SETV)
		return ops->var_set(m->ctx, i->arg, *m->sp);
	return ops->var_get(m->ctx, i->arg, ++m->sp);
}

/* On top lie channel and function, of no use here; below the values, the first one on top. */
static struct err *print(struct machine *m, const struct agent_code *code,
			 const struct agent_insn *i)
{
	uint64_t args[UINT8_MAX] = { 0 };

	m->sp -= 2;
	for (unsigned int k = 0; k < i->n; k++)
		args[k] = *m->sp--;
	return agent_print(code->text + i->to, args, m->ops, m->ctx);
}

static void rearrange(struct machine *m, const struct agent_insn *i)
{
	uint64_t top = m->sp[0];

	switch (i->op) {
	case AGENT_DUP:
		*++m->sp = top;
		break;
	case AGENT_POP:
		m->sp--;
		break;
	case AGENT_SWAP:
		m->sp[0] = m->sp[-1];
		m->sp[-1] = top;
		break;
	case AGENT_PICK:
		top = m->sp[-(int)i->n];
		*++m->sp = top;
		break;
	default: /* AGENT_ROT: a b c becomes c a b */
		m->sp[0] = m->sp[-1];
		m->sp[-1] = m->sp[-2];
		m->sp[-2] = top;
	}
}

/* All that does not change what comes next. */
static struct err *step(struct machine *m, const struct agent_code *code,
			const struct agent_insn *i)
{
	switch (i->op) {
	case AGENT_CONST64:
		*++m->sp = i->value;
		return NULL;
	case AGENT_REG:
		return m->ops->reg(m->ctx, i->arg, ++m->sp);
	case AGENT_REF64:
		return dereference(m, i->n);
	case AGENT_EXT:
	case AGENT_ZERO_EXT:
		*m->sp = extend(*m->sp, i->n, i->op == AGENT_EXT);
		return NULL;
	case AGENT_LOG_NOT:
		*m->sp = !*m->sp;
		return NULL;
	case AGENT_BIT_NOT:
		*m->sp = ~*m->sp;
		return NULL;
	case AGENT_DUP:
	case AGENT_POP:
	case AGENT_SWAP:
	case AGENT_PICK:
	case AGENT_ROT:
		rearrange(m, i);
		return NULL;
	case AGENT_GETV:
	case AGENT_SETV:
	case AGENT_TRACEV:
		return variable(m, i);
	case AGENT_TRACE:
	case AGENT_TRACE16:
	case AGENT_TRACENZ:
		return trace(m, i);
	case AGENT_PRINTF:
		return print(m, code, i);
	default:
		m->sp--;
		return binary(i->op, m->sp[0], m->sp[1], m->sp);
	}
}

struct err *agent_run(const struct agent_code *code, const struct agent_ops *ops, void *ctx,
		      uint64_t *ret)
{
	uint64_t stack[AGENT_STACK_MAX + 1] = { 0 }; /* a 0 is on top of an empty one */
	struct machine m = { .ops = ops, .ctx = ctx, .sp = stack };
	const struct agent_insn *i = code->insn;

	for (uint32_t steps = 0; steps < AGENT_STEPS_MAX; steps++) {
		struct err *err = NULL;
		switch (i->op) {
		case AGENT_END:
			*ret = *m.sp;
			return NULL;
		case AGENT_GOTO:
			i = &code->insn[i->to];
			break;
		case AGENT_IF_GOTO:
			i = *m.sp-- ? &code->insn[i->to] : i + 1;
			break;
		default:
			err = step(&m, code, i++);
		}
		if (err)
			return err;
	}
	return err_new(ERR_BAD_DATA, "it takes more than %u steps", AGENT_STEPS_MAX);
}

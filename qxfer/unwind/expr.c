/* SPDX-License-Identifier: MIT */
/* DWARF expressions: DWARF 5, 2.5; the numbers are table 7.9's. */
#include "qxfer/unwind/cfi_priv.h"

#define STACK_MAX 64u
#define OPS_MAX	  1000u

enum {
	OP_ADDR = 0x03,
	OP_DEREF = 0x06,
	OP_CONST1U = 0x08, /* then 1s, 2u, 2s, 4u, 4s, 8u, 8s */
	OP_CONST8S = 0x0f,
	OP_CONSTU = 0x10,
	OP_CONSTS = 0x11,
	OP_DUP = 0x12,
	OP_DROP = 0x13,
	OP_OVER = 0x14,
	OP_PICK = 0x15,
	OP_SWAP = 0x16,
	OP_ROT = 0x17,
	OP_ABS = 0x19,
	OP_AND = 0x1a,
	OP_DIV = 0x1b,
	OP_MINUS = 0x1c,
	OP_MOD = 0x1d,
	OP_MUL = 0x1e,
	OP_NEG = 0x1f,
	OP_NOT = 0x20,
	OP_OR = 0x21,
	OP_PLUS = 0x22,
	OP_PLUS_UCONST = 0x23,
	OP_SHL = 0x24,
	OP_SHR = 0x25,
	OP_SHRA = 0x26,
	OP_XOR = 0x27,
	OP_BRA = 0x28,
	OP_EQ = 0x29,
	OP_GE = 0x2a,
	OP_GT = 0x2b,
	OP_LE = 0x2c,
	OP_LT = 0x2d,
	OP_NE = 0x2e,
	OP_SKIP = 0x2f,
	OP_LIT0 = 0x30,
	OP_LIT31 = 0x4f,
	OP_BREG0 = 0x70,
	OP_BREG31 = 0x8f,
	OP_BREGX = 0x92,
	OP_DEREF_SIZE = 0x94,
	OP_NOP = 0x96,
};

struct machine {
	struct cfi_cursor c;
	uint64_t start;
	const struct space_regs *regs;
	uint64_t stack[STACK_MAX];
	unsigned int n;
	const char *wrong; /* why it cannot go on, or NULL */
};

static void push(struct machine *m, uint64_t v)
{
	if (m->n == STACK_MAX)
		m->wrong = "too many values";
	else
		m->stack[m->n++] = v;
}

static uint64_t pop(struct machine *m)
{
	if (!m->n) {
		m->wrong = "too few values";
		return 0;
	}
	return m->stack[--m->n];
}

/* Copies the value @depth below the top. */
static void pick(struct machine *m, uint64_t depth)
{
	if (depth >= m->n)
		m->wrong = "too few values";
	else
		push(m, m->stack[m->n - 1 - depth]);
}

static void push_register(struct machine *m, uint64_t reg, int64_t offset)
{
	if (reg >= SPACE_REGS || !(m->regs->known & 1u << reg))
		m->wrong = "a register that is not known";
	else
		push(m, m->regs->value[reg] + (uint64_t)offset);
}

static void deref(struct machine *m, uint64_t size)
{
	uint64_t addr = pop(m), v = 0;
	if (!size || size > sizeof(v) || mem_read_some(m->c.from->mem, addr, &v, size) != size)
		m->wrong = "memory that cannot be read";
	else
		push(m, v);
}

static void jump(struct machine *m, bool taken)
{
	int64_t by = cfi_int(&m->c, 2);
	uint64_t to = m->c.at + (uint64_t)by;
	if (!taken)
		return;
	if (to < m->start || to > m->c.end)
		m->wrong = "a jump out of it";
	else
		m->c.at = to;
}

/* INT64_MIN / -1 has no result, and would trap. */
static uint64_t divide(struct machine *m, uint64_t a, uint64_t b)
{
	if (!b)
		m->wrong = "a division by zero";
	else if (b == ~0ull)
		return 0 - a;
	return b ? (uint64_t)((int64_t)a / (int64_t)b) : 0;
}

static uint64_t shift(uint8_t op, uint64_t a, uint64_t by)
{
	if (by > 63)
		return op == OP_SHRA && (int64_t)a < 0 ? ~0ull : 0;
	if (op == OP_SHL)
		return a << by;
	return op == OP_SHR ? a >> by : (uint64_t)((int64_t)a >> by);
}

static uint64_t compare(uint8_t op, int64_t a, int64_t b)
{
	switch (op) {
	case OP_EQ:
		return a == b;
	case OP_GE:
		return a >= b;
	case OP_GT:
		return a > b;
	case OP_LE:
		return a <= b;
	case OP_LT:
		return a < b;
	default:
		return a != b;
	}
}

static uint64_t calculate(struct machine *m, uint8_t op, uint64_t a, uint64_t b)
{
	switch (op) {
	case OP_AND:
		return a & b;
	case OP_OR:
		return a | b;
	case OP_XOR:
		return a ^ b;
	case OP_PLUS:
		return a + b;
	case OP_MINUS:
		return a - b;
	case OP_MUL:
		return a * b;
	case OP_DIV:
		return divide(m, a, b);
	case OP_MOD:
		if (!b)
			m->wrong = "a division by zero";
		return b ? a % b : 0;
	case OP_SHL:
	case OP_SHR:
	case OP_SHRA:
		return shift(op, a, b);
	default:
		return compare(op, (int64_t)a, (int64_t)b);
	}
}

static bool is_binary(uint8_t op)
{
	switch (op) {
	case OP_AND:
	case OP_DIV:
	case OP_MINUS:
	case OP_MOD:
	case OP_MUL:
	case OP_OR:
	case OP_PLUS:
	case OP_SHL:
	case OP_SHR:
	case OP_SHRA:
	case OP_XOR:
		return true;
	default:
		return op >= OP_EQ && op <= OP_NE;
	}
}

static void do_unary(struct machine *m, uint8_t op)
{
	uint64_t a = pop(m);
	if (op == OP_NOT)
		push(m, ~a);
	else if (op == OP_NEG || (int64_t)a < 0)
		push(m, 0 - a);
	else
		push(m, a);
}

/* The top two or three values change places. */
static void rotate(struct machine *m, unsigned int n)
{
	if (m->n < n) {
		m->wrong = "too few values";
		return;
	}
	uint64_t top = m->stack[m->n - 1];
	for (unsigned int i = 1; i < n; i++)
		m->stack[m->n - i] = m->stack[m->n - i - 1];
	m->stack[m->n - n] = top;
}

static void push_constant(struct machine *m, uint8_t op)
{
	unsigned int kind = (unsigned int)op - OP_CONST1U, size = 1u << kind / 2;
	push(m, kind & 1 ? (uint64_t)cfi_int(&m->c, size) : cfi_uint(&m->c, size));
}

static void do_stack(struct machine *m, uint8_t op)
{
	switch (op) {
	case OP_DUP:
		pick(m, 0);
		break;
	case OP_OVER:
		pick(m, 1);
		break;
	case OP_PICK:
		pick(m, cfi_uint(&m->c, 1));
		break;
	case OP_DROP:
		pop(m);
		break;
	case OP_SWAP:
		rotate(m, 2);
		break;
	default:
		rotate(m, 3);
		break;
	}
}

static void do_other(struct machine *m, uint8_t op)
{
	switch (op) {
	case OP_ADDR:
		push(m, cfi_uint(&m->c, 8));
		break;
	case OP_DEREF:
		deref(m, 8);
		break;
	case OP_DEREF_SIZE:
		deref(m, cfi_uint(&m->c, 1));
		break;
	case OP_CONSTU:
		push(m, cfi_uleb(&m->c));
		break;
	case OP_CONSTS:
		push(m, (uint64_t)cfi_sleb(&m->c));
		break;
	case OP_PLUS_UCONST:
		push(m, pop(m) + cfi_uleb(&m->c));
		break;
	case OP_BREGX: {
		uint64_t reg = cfi_uleb(&m->c);
		push_register(m, reg, cfi_sleb(&m->c));
		break;
	}
	case OP_SKIP:
		jump(m, true);
		break;
	case OP_BRA:
		jump(m, pop(m) != 0);
		break;
	case OP_NOP:
		break;
	default:
		m->wrong = "an unknown operation";
		break;
	}
}

static void step(struct machine *m)
{
	uint8_t op = (uint8_t)cfi_uint(&m->c, 1);
	if (op >= OP_LIT0 && op <= OP_LIT31)
		push(m, op - (unsigned int)OP_LIT0);
	else if (op >= OP_BREG0 && op <= OP_BREG31)
		push_register(m, op - (unsigned int)OP_BREG0, cfi_sleb(&m->c));
	else if (op >= OP_CONST1U && op <= OP_CONST8S)
		push_constant(m, op);
	else if (op >= OP_DUP && op <= OP_ROT)
		do_stack(m, op);
	else if (op == OP_ABS || op == OP_NEG || op == OP_NOT)
		do_unary(m, op);
	else if (is_binary(op)) {
		uint64_t b = pop(m), a = pop(m);
		push(m, calculate(m, op, a, b));
	} else
		do_other(m, op);
	if (m->c.bad && !m->wrong)
		m->wrong = "no end";
}

struct err *cfi_eval(struct cfi_source *s, uint64_t expr, uint32_t len,
		     const struct space_regs *regs, const uint64_t *cfa, uint64_t *ret)
{
	struct machine m = { .c = { .from = s, .at = expr, .end = expr + len },
			     .start = expr,
			     .regs = regs };
	unsigned int ops = 0;

	if (cfa)
		push(&m, *cfa);
	while (m.c.at < m.c.end && !m.wrong) {
		if (ops++ == OPS_MAX)
			m.wrong = "too many operations";
		else
			step(&m);
	}
	if (!m.wrong)
		*ret = pop(&m);
	return m.wrong ? err_new(ERR_BAD_DATA, "the unwind expression at 0x%llx has %s",
				 (unsigned long long)expr, m.wrong)
		       : NULL;
}

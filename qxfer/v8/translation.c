/* SPDX-License-Identifier: MIT */
#include "qxfer/v8/translation.h"

#include <string.h>

#define ROWS	     4u
#define NONE	     0xffu
#define OPCODES_MAX  65536u /* of one translation */
#define OPERANDS_MAX 6u

/* Numbers of opcodes, and how many operands each has, a digit each. */
static const struct opcodes {
	const char *operands;
	uint8_t begin, begin_too;
	uint8_t interpreted, interpreted_too;
	uint8_t builtin; /* JAVA_SCRIPT_BUILTIN_CONTINUATION_FRAME; that with a catch follows */
	uint8_t literal, slot;
	uint8_t match; /* NONE: translations do not refer to others, and opcodes are operands */
} versions[ROWS] = {
	{ "2103113131111111115334111112", 3, 3, 18, 18, 19, 22, 24, NONE },
	{ "103311313111112111111115333401111121", 2, 3, 23, 24, 25, 29, 31, 35 },
	{ "5333213432103311111111111111111101111121", 12, 13, 0, 1, 2, 33, 35, 39 },
	{ "643321343331003311101111111111111111101111121", 14, 15, 0, 1, 2, 38, 40, 44 },
};

/* A translation may go on as the one before it, of which it repeats a number of opcodes. */
struct cursor {
	const struct opcodes *o;
	struct v8_bytes bytes;
	size_t at, previous;
	uint32_t left;	/* of those to be repeated, and this one */
	uint32_t since; /* opcodes since `previous' was right */
	bool bad;
};

static uint32_t decode(struct cursor *c, size_t *at)
{
	uint32_t v = 0;
	for (unsigned int shift = 0; shift < 35; shift += 7) {
		if (*at >= c->bytes.len)
			break;
		uint8_t byte = c->bytes.p[(*at)++];
		if (shift < 32)
			v |= (uint32_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return v;
	}
	c->bad = true;
	return 0;
}

static uint32_t next_operand(struct cursor *c)
{
	return decode(c, c->left ? &c->previous : &c->at);
}

/* The sign is in the lowest bit. */
static int32_t as_signed(uint32_t v)
{
	return v & 1 ? -(int32_t)(v >> 1) : (int32_t)(v >> 1);
}

static bool is_opcode(const struct cursor *c, unsigned int op)
{
	return op < strlen(c->o->operands);
}

static unsigned int operands_of(const struct cursor *c, unsigned int op)
{
	return (unsigned int)(c->o->operands[op] - '0');
}

static unsigned int opcode_at_previous(struct cursor *c)
{
	unsigned int op = c->previous < c->at ? c->bytes.p[c->previous++] : NONE;
	c->bad = c->bad || !is_opcode(c, op) || op == c->o->match;
	return c->bad ? 0 : op;
}

static void skip_at_previous(struct cursor *c)
{
	unsigned int n = operands_of(c, opcode_at_previous(c));
	while (n-- && !c->bad)
		decode(c, &c->previous);
}

static unsigned int begin_match(struct cursor *c)
{
	for (; c->since && !c->bad; c->since--)
		skip_at_previous(c);
	return opcode_at_previous(c);
}

/* A translation begins with how far before it that lies which it refers to. */
static void note_begin(struct cursor *c)
{
	size_t at = c->at;
	uint32_t back = decode(c, &at);
	if (back > c->at - 1)
		c->bad = true;
	else if (back)
		c->previous = c->at - 1 - back;
	c->since = 1;
}

static unsigned int next_opcode(struct cursor *c)
{
	size_t count = strlen(c->o->operands);

	if (c->o->match == NONE) {
		unsigned int op = (unsigned int)as_signed(decode(c, &c->at));
		c->bad = c->bad || !is_opcode(c, op);
		return c->bad ? 0 : op;
	}
	if (c->left && --c->left)
		return opcode_at_previous(c);
	if (c->at >= c->bytes.len) {
		c->bad = true;
		return 0;
	}
	unsigned int op = c->bytes.p[c->at++];
	if (op >= count)
		c->left = op - (uint32_t)count;
	else if (op == c->o->match)
		c->left = decode(c, &c->at);
	if (op >= count || op == c->o->match) {
		c->bad = c->bad || !c->left;
		return c->bad ? 0 : begin_match(c);
	}
	if (op == c->o->begin || op == c->o->begin_too)
		note_begin(c);
	else
		c->since++;
	return op;
}

/* ---- frames ---- */

struct command {
	unsigned int op;
	uint32_t operand[OPERANDS_MAX];
};

static bool next_command(struct cursor *c, struct command *ret)
{
	ret->op = next_opcode(c);
	for (unsigned int i = 0, n = operands_of(c, ret->op); i < n && !c->bad; i++)
		ret->operand[i] = next_operand(c);
	return !c->bad;
}

static bool is_frame(const struct opcodes *o, const struct command *cmd, bool *builtin)
{
	*builtin = cmd->op == o->builtin || cmd->op == o->builtin + 1u;
	return *builtin || cmd->op == o->interpreted || cmd->op == o->interpreted_too;
}

/* The value that follows a frame is its function. */
static void take_function(const struct opcodes *o, const struct command *cmd,
			  struct v8_virtual_frame *f)
{
	if (cmd->op == o->literal)
		f->function = as_signed(cmd->operand[0]);
	if (cmd->op == o->slot)
		f->stack_slot = as_signed(cmd->operand[0]);
}

size_t translation_read(struct v8_bytes bytes, size_t at, unsigned int row,
			struct v8_virtual_frame ret[TRANSLATION_FRAMES_MAX])
{
	struct command cmd = { .op = 0 };
	size_t n = 0;
	bool fresh = false, builtin;

	if (row >= ROWS)
		return 0;
	const struct opcodes *o = &versions[row];
	struct cursor c = { .o = o, .bytes = bytes, .at = at };
	if (!next_command(&c, &cmd) || (cmd.op != o->begin && cmd.op != o->begin_too))
		return 0;
	uint32_t wanted = (uint32_t)as_signed(cmd.operand[o->match == NONE ? 1 : 2]);
	if (!wanted || wanted > TRANSLATION_FRAMES_MAX)
		return 0;
	for (size_t i = 0; i < OPCODES_MAX && (n < wanted || fresh); i++) {
		if (!next_command(&c, &cmd) || cmd.op == o->begin || cmd.op == o->begin_too)
			return 0;
		if (fresh)
			take_function(o, &cmd, &ret[n - 1]);
		fresh = n < wanted && is_frame(o, &cmd, &builtin);
		if (fresh)
			ret[n++] = (struct v8_virtual_frame){ .builtin = builtin,
							      .offset = as_signed(cmd.operand[0]),
							      .shared = (uint32_t)as_signed(
								      cmd.operand[1]),
							      .function = -1,
							      .stack_slot = -1 };
	}
	return n == wanted ? n : 0;
}

/* ---- safepoints ---- */

static uint64_t bytes_at(const uint8_t *p, unsigned int n)
{
	uint64_t v = 0;
	memcpy(&v, p, n);
	return v;
}

int64_t safepoint_find(struct v8_bytes table, const struct safepoint_shape *shape, uint64_t pc)
{
	if (shape->count_at + 8 > shape->header || table.len < shape->header)
		return -1;
	uint64_t count = bytes_at(table.p + shape->count_at, 4);
	uint64_t how = bytes_at(table.p + shape->count_at + 4, 4);
	/* Whether there are any; bytes of registers, of offsets in code, of numbers. */
	unsigned int registers = how >> 1 & 7, size = how >> 4 & 7, number = how >> 7 & 7;
	size_t entry = 2ul * size + number + registers + shape->extra;
	if (!(how & 1) || !size || !number || count > (table.len - shape->header) / entry)
		return -1;
	for (uint64_t i = 0; i < count; i++) {
		const uint8_t *p = table.p + shape->header + i * entry;
		/* Its own place, and that of a jump to the deoptimization in its stead. */
		if (bytes_at(p, size) == pc || bytes_at(p + size + number, size) == pc + 1)
			return (int64_t)bytes_at(p + size, number) - 1;
	}
	return -1;
}

/* SPDX-License-Identifier: MIT */
#include "tests/unwind/shadow.h"

#define LOOK_BACK 64u	 /* calls that one return may leave at once */
#define FAR	  65536u /* bytes of stack */

enum flow { FLOW_NEITHER, FLOW_CALL, FLOW_RETURN, FLOW_THROW, FLOW_DROP };

/* Of bytes without end: a prefix more than fits is none. */
static enum flow flow_of(const uint8_t *b)
{
	const uint8_t *start = b, *end = b + ONE_CODE - 3;
	while (b < end && (*b == 0xf2 || *b == 0xf3 || *b == 0x66 || *b == 0x2e || *b == 0x3e ||
			   (*b & 0xf0) == 0x40))
		b++;
	unsigned int reg = (b[1] >> 3) & 7u;
	if (*b == 0xe8 || (*b == 0xff && reg == 2))
		return FLOW_CALL;
	if (*b == 0xc3 || *b == 0xc2)
		return FLOW_RETURN;
	/* mov OFFSET(%r13),%rsp, which leaves for the handler of an exception */
	if (b > start && b[-1] == 0x49 && *b == 0x8b && reg == 4 && (b[1] & 7) == 5)
		return FLOW_THROW;
	/* add $8,%rsp */
	bool drops = b > start && b[-1] == 0x48 && *b == 0x83 && b[1] == 0xc4 && b[2] == 8;
	return drops ? FLOW_DROP : FLOW_NEITHER;
}

static void return_to(struct shadow *s, uint64_t pc)
{
	size_t at = s->depth;
	if (!at)
		return;
	while (at && s->call[at - 1].ra != pc && s->depth - at < LOOK_BACK)
		at--;
	bool found = at && s->call[at - 1].ra == pc;
	s->resynced += !found || at != s->depth;
	/* A return to nobody who called: a jump, or below where this began. */
	s->depth = found ? at - 1 : 0;
}

static void push(struct shadow *s, const struct call *c)
{
	if (s->depth < SHADOW_MAX)
		s->call[s->depth++] = *c;
}

void shadow_follow(struct shadow *s, const struct user_regs_struct *was, const uint8_t *code,
		   const struct one_space *now)
{
	const struct user_regs_struct *r = &now->regs;
	enum flow flow = flow_of(code);
	uint64_t ra;

	if (flow == FLOW_RETURN)
		return_to(s, r->rip);
	else if (flow == FLOW_CALL && r->rsp == was->rsp - 8 && one_word(now, r->rsp, &ra) &&
		 ra > was->rip && ra - was->rip < 16)
		push(s, &(struct call){ ra, r->rsp, was->rbp, false });
	/* Deoptimisation drops its own return address: it is where its caller was then. */
	if (flow == FLOW_DROP && s->depth && s->call[s->depth - 1].sp == was->rsp &&
	    one_word(now, r->rsp, &ra) && ra != s->call[s->depth - 1].ra)
		s->depth--;
	/* An exception leaves for where the stack was when its handler was entered. */
	while (flow == FLOW_THROW && s->depth && s->call[s->depth - 1].sp < r->rsp)
		s->depth--;
	/* In another way than that; tail calls move return addresses up a little. */
	while (s->depth && s->call[s->depth - 1].sp + FAR < r->rsp)
		s->depth--;
}

static struct call *last_calls(struct shadow *s, size_t *n)
{
	*n = s->depth < LOOK_BACK ? s->depth : LOOK_BACK;
	return s->call + (s->depth - *n);
}

void shadow_leave(struct shadow *s, const struct one_space *now)
{
	size_t n;
	struct call *c = last_calls(s, &n);
	uint64_t ra;
	for (size_t i = 0; i < n; i++)
		c[i].in_place =
			c[i].sp >= now->regs.rsp && one_word(now, c[i].sp, &ra) && ra == c[i].ra;
}

void shadow_come_back(struct shadow *s, const struct one_space *now)
{
	size_t n;
	struct call *c = last_calls(s, &n);
	uint64_t ra;
	for (size_t i = 0; i < n; i++)
		if (c[i].in_place && one_word(now, c[i].sp, &ra))
			c[i].ra = ra;
}

void shadow_enter(struct shadow *s, const struct one_space *now)
{
	uint64_t ra;
	if (one_word(now, now->regs.rsp, &ra))
		push(s, &(struct call){ ra, now->regs.rsp, now->regs.rbp, false });
}

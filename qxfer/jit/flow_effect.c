/* SPDX-License-Identifier: MIT */
/*
 * What one instruction does to a frame.  Most is arithmetic on rsp; the rest is what V8's
 * builtins and compilers do that no C compiler does, each with the code that does it.
 */
#include <string.h>

#include "qxfer/jit/flow.h"

#define WORD 8

struct flow_state flow_entry_state(void)
{
	return (struct flow_state){ .seen = true, .cfa = FLOW_SP, .sp_known = true, .sp = WORD };
}

struct flow_state flow_frame_state(void)
{
	return (struct flow_state){
		.seen = true, .cfa = FLOW_FP, .base = 2 * WORD, .at = { -2 * WORD }
	};
}

struct jit_rule flow_rule(const struct flow_state *s)
{
	enum jit_source source = s->guess ? JIT_BY_GUESS : JIT_BY_FLOW;
	struct jit_rule r = { .source = (uint8_t)source, .ra_kind = s->ra_kind };

	if (s->cfa == FLOW_LOST)
		return jit_rule_frame(JIT_BY_GUESS);
	r.cfa_reg = s->cfa == FLOW_SP ? JIT_RSP : s->cfa == FLOW_FP ? JIT_RBP : s->cfa_reg;
	r.cfa_off = s->cfa == FLOW_SP ? s->sp : s->base;
	r.by_index = s->cfa == FLOW_INDEX;
	r.index_reg = s->cfa == FLOW_INDEX ? s->index_reg : 0;
	if (s->ra_kind != JIT_RA_AT_CFA)
		r.ra_reg = s->ra_reg;
	if (s->ra_kind == JIT_RA_IN_MEM)
		r.ra_disp = s->ra_disp;
	memcpy(r.at, s->at, sizeof(r.at));
	return r;
}

/* ---- parts ---- */

/* The return address is at the top of the stack again, whatever lay above it. */
static void anchor(struct flow_state *s)
{
	s->cfa = FLOW_SP;
	s->sp_known = true;
	s->sp = WORD;
	s->ra_kind = JIT_RA_AT_CFA;
	s->copied = false;
	s->copy_at = 0;
	s->indexed = false;
}

/* Where the stack moves all words were copied, and the index is not 0 any more. */
static void end_copying(struct flow_state *s)
{
	if (s->cfa == FLOW_INDEX)
		anchor(s);
	s->indexed = false;
}

static bool holds_ra(const struct flow_state *s, unsigned int reg)
{
	return s->ra_kind == JIT_RA_IN_REG && s->ra_reg == reg;
}

static bool ra_is_moved(const struct flow_state *s)
{
	return s->cfa == FLOW_SP && s->ra_kind != JIT_RA_AT_CFA;
}

/* @reg has another value now. */
static void clobber(struct flow_state *s, unsigned int reg)
{
	unsigned int saved = jit_saved_index(reg);

	if (s->alias_known && s->alias_reg == reg)
		s->alias_known = false;
	if (s->copied && s->copy_reg == reg)
		s->copied = false;
	if (holds_ra(s, reg) || (s->cfa == FLOW_ALIAS && s->cfa_reg == reg))
		anchor(s);
	if (s->cfa_reg == reg || (s->cfa == FLOW_INDEX && s->index_reg == reg))
		end_copying(s);
	if (saved < JIT_SAVED)
		s->modified |= (uint8_t)(1u << saved);
}

/* rbp points to something else: the frame is to be found by rsp, if at all. */
static void lose_frame_pointer(struct flow_state *s)
{
	s->modified |= 1;
	if (s->cfa != FLOW_FP)
		return;
	s->cfa = s->sp_known ? FLOW_SP : FLOW_LOST;
}

/*
 * rsp is moved by an amount that is not known.  Where a copy of it was made before
 * (mov %rsp,%r10; sub %rcx,%rsp: the builtins that make room for arguments), the frame is found
 * by that copy; else what called must have been left at the top.
 */
static void move_stack(struct flow_state *s)
{
	if (s->cfa == FLOW_FP) {
		s->sp_known = false;
		return;
	}
	if (s->cfa != FLOW_SP)
		return;
	if (ra_is_moved(s)) {
		s->sp = 0;
		return;
	}
	if (!s->alias_known) {
		anchor(s);
		return;
	}
	s->cfa = FLOW_ALIAS;
	s->cfa_reg = s->alias_reg;
	s->base = s->alias_off;
	s->sp_known = false;
}

/* The return address lies @n bytes nearer to the top. */
static void shift_ra(struct flow_state *s, int32_t n)
{
	if (s->ra_kind == JIT_RA_IN_MEM && s->ra_reg == JIT_RSP)
		s->ra_disp = (int32_t)((uint32_t)s->ra_disp - (uint32_t)n);
}

/* By so many bytes upwards. */
static void add_to_stack(struct flow_state *s, int32_t n)
{
	shift_ra(s, n);
	if (s->sp_known)
		s->sp = (int32_t)((uint32_t)s->sp - (uint32_t)n);
	if (ra_is_moved(s)) {
		if (s->sp < 0)
			s->sp = 0; /* the caller's part of the stack */
		return;
	}
	/*
	 * The frame is complete with its first big subtraction; what is pushed later
	 * are arguments of calls.
	 */
	if (s->cfa == FLOW_FP && n < 0 && !s->fixed && s->sp_known)
		s->fixed = s->sp;
	/* Past the return address: it was copied to where rsp points now. */
	if (s->cfa == FLOW_SP && s->sp_known && s->sp < WORD)
		anchor(s);
}

/* pop %rbp, leave: the caller's frame pointer is back, and rsp is below the return address. */
static void drop_frame(struct flow_state *s)
{
	s->cfa = FLOW_SP;
	s->sp_known = true;
	s->sp = s->base - WORD;
	memset(s->at, 0, sizeof(s->at));
}

/* ---- the return address moves within the stack ---- */

/*
 * A tail call with more or fewer arguments than the frame was called with: the return address is
 * copied (mov 0xa0(%rsp),%r10; mov %r10,0x78(%rsp), or push (%rsp)), and then the place where it
 * was is written to.  From there on the copy is what counts.
 */
static bool is_slot(const struct flow_state *s, const struct insn *in, int32_t *depth)
{
	if (s->cfa != FLOW_SP || !s->sp_known || ra_is_moved(s) || in->base != JIT_RSP ||
	    !in->plain)
		return false;
	*depth = (int32_t)((uint32_t)s->sp - (uint32_t)in->disp);
	return true;
}

static void load_slot(struct flow_state *s, const struct insn *in)
{
	int32_t depth;
	if (!is_slot(s, in, &depth) || depth != WORD)
		return;
	s->copied = true;
	s->copy_reg = in->dst;
}

static void store_slot(struct flow_state *s, const struct insn *in)
{
	int32_t depth;
	if (!is_slot(s, in, &depth))
		return;
	if (depth == WORD && s->copy_at) {
		int32_t by = s->copy_at - WORD;
		s->sp -= by;
		for (unsigned int i = 0; i < JIT_SAVED; i++)
			s->at[i] += s->at[i] ? by : 0;
		s->copy_at = 0;
	} else if (s->copied && in->src == s->copy_reg && depth != WORD) {
		s->copy_at = depth;
	} else if (depth == s->copy_at) {
		s->copy_at = 0;
	}
}

/* ---- push and pop ---- */

static void push_saved(struct flow_state *s, unsigned int reg)
{
	unsigned int i = jit_saved_index(reg);
	if (i == JIT_SAVED || s->at[i] || s->modified & 1u << i || (i == 0 && s->cfa == FLOW_FP))
		return;
	if (s->cfa == FLOW_FP || s->cfa == FLOW_SP)
		s->at[i] = -s->sp;
}

/*
 * Where a frame was built since it was popped (BaselineOutOfLinePrologue, which builds it for its
 * caller), that is how the caller's rsp and rbp are found until the ret that follows.
 */
static void push_ra(struct flow_state *s)
{
	if (s->cfa != FLOW_FP) {
		anchor(s);
		return;
	}
	s->ra_kind = JIT_RA_IN_MEM;
	s->ra_reg = JIT_RSP;
	s->ra_disp = 0;
	if (s->sp_known)
		s->sp += WORD;
}

static void effect_push(struct flow_state *s, const struct insn *in)
{
	/* pop %r10; ..; push %r10: the return address is on the stack again. */
	if (holds_ra(s, in->src)) {
		push_ra(s);
		return;
	}
	if (s->ra_kind == JIT_RA_IN_MEM && in->from_memory && in->base == s->ra_reg &&
	    in->disp == s->ra_disp) {
		anchor(s);
		return;
	}
	shift_ra(s, -WORD);
	if (!s->sp_known)
		return;
	int32_t depth;
	bool copy = in->from_memory && is_slot(s, in, &depth) && depth == WORD;
	s->sp += WORD;
	if (copy)
		s->copy_at = s->sp;
	push_saved(s, in->src);
}

/*
 * The return address itself is popped: to a register, or to memory (the builtins for regular
 * expressions and those that count arguments keep it in the isolate).
 */
static bool pop_ra(struct flow_state *s, const struct insn *in)
{
	if (s->cfa != FLOW_SP || s->ra_kind != JIT_RA_AT_CFA || !s->sp_known || s->sp != WORD)
		return false;
	if (in->dst != JIT_NO_REG) {
		clobber(s, in->dst);
		s->ra_kind = JIT_RA_IN_REG;
		s->ra_reg = in->dst;
	} else if (in->to_memory && in->plain && in->base != JIT_NO_REG) {
		s->ra_kind = JIT_RA_IN_MEM;
		s->ra_reg = in->base;
		s->ra_disp = in->disp;
	} else {
		return false;
	}
	s->sp = 0;
	return true;
}

static void pop_frame_pointer(struct flow_state *s)
{
	if (s->cfa == FLOW_FP) {
		drop_frame(s);
		return;
	}
	if (s->sp_known && s->at[0] && -s->at[0] == s->sp) {
		s->at[0] = 0;
		s->modified &= (uint8_t)~1u;
	} else {
		s->modified |= 1;
	}
	if (s->sp_known)
		s->sp -= WORD;
}

static void effect_pop(struct flow_state *s, const struct insn *in)
{
	unsigned int i = jit_saved_index(in->dst);

	if (in->dst == JIT_RSP) {
		s->sp_known = false;
		if (s->cfa == FLOW_SP)
			s->cfa = FLOW_LOST;
		return;
	}
	if (in->dst == JIT_RBP) {
		pop_frame_pointer(s);
		return;
	}
	if (pop_ra(s, in))
		return;
	shift_ra(s, WORD);
	bool restored = i < JIT_SAVED && s->sp_known && s->at[i] && s->at[i] == -s->sp;
	if (s->sp_known)
		s->sp -= WORD;
	if (ra_is_moved(s) && s->sp < 0)
		s->sp = 0; /* the caller's part of the stack */
	if (in->dst == JIT_NO_REG)
		return;
	clobber(s, in->dst);
	if (restored) {
		s->at[i] = 0;
		s->modified &= (uint8_t) ~(1u << i);
	}
}

/* ---- mov ---- */

/*
 * mov (%rbp),%rbp: TurboFan's tail call takes the caller's frame pointer first, while rsp
 * is as deep as the frame is; then rsp moves up to the return address.
 */
static bool mov_drops_frame(struct flow_state *s, const struct insn *in)
{
	if (in->dst != JIT_RBP || !in->from_memory || in->base != JIT_RBP || !in->plain ||
	    in->disp || s->cfa != FLOW_FP || s->base != 2 * WORD)
		return false;
	int32_t depth = s->fixed ? s->fixed : s->sp_known ? s->sp : 0;
	if (!depth) {
		s->cfa = FLOW_LOST;
		return true;
	}
	drop_frame(s);
	s->sp = depth;
	return true;
}

static void mov_to_sp(struct flow_state *s, const struct insn *in)
{
	if (in->src == JIT_RBP && s->cfa == FLOW_FP) {
		s->sp_known = true;
		s->sp = s->base;
	} else if (in->src != JIT_NO_REG && s->alias_known && s->alias_reg == in->src) {
		s->sp_known = true;
		s->sp = s->alias_off;
		if (s->cfa == FLOW_ALIAS)
			s->cfa = FLOW_SP;
	} else if (in->src == JIT_RBP && s->cfa == FLOW_SP) {
		s->cfa = FLOW_LOST;
		s->sp_known = false;
	} else if (s->cfa == FLOW_SP && s->ra_kind == JIT_RA_AT_CFA) {
		anchor(s);
	} else if (s->cfa == FLOW_SP) {
		s->sp = 0;
	} else {
		s->sp_known = false;
	}
}

static void mov_from_sp(struct flow_state *s, unsigned int dst)
{
	clobber(s, dst);
	if (s->sp_known && s->cfa == FLOW_SP && !ra_is_moved(s)) {
		s->alias_known = true;
		s->alias_reg = (uint8_t)dst;
		s->alias_off = s->sp;
	}
}

static void set_frame(struct flow_state *s, int32_t disp)
{
	if (s->cfa == FLOW_SP && s->sp_known) {
		s->cfa = FLOW_FP;
		s->base = s->sp - disp;
		s->fixed = 0;
	} else {
		lose_frame_pointer(s);
	}
}

/*
 * mov %r10,(%rsp), or mov %r10,(%rsp,%r11,8): of the second kind what lay at the top is copied
 * to where there is room now, the return address first.
 */
static bool moves_return_address(const struct flow_state *s, const struct insn *in)
{
	if (in->base != JIT_RSP)
		return false;
	if (in->plain)
		return !in->disp && holds_ra(s, in->src);
	return s->cfa == FLOW_ALIAS || s->cfa == FLOW_INDEX;
}

static void move_return_address(struct flow_state *s, const struct insn *in)
{
	bool indexed = s->cfa != FLOW_SP && !in->plain && in->index != JIT_NO_REG;
	anchor(s);
	s->indexed = indexed;
	s->index_reg = indexed ? in->index : 0;
}

static void effect_mov(struct flow_state *s, const struct insn *in)
{
	if (mov_drops_frame(s, in))
		return;
	if (in->dst == JIT_RSP) {
		mov_to_sp(s, in);
	} else if (in->dst == JIT_RBP) {
		if (in->src == JIT_RSP)
			set_frame(s, 0);
		else
			lose_frame_pointer(s);
	} else if (in->src == JIT_RSP && in->dst != JIT_NO_REG) {
		mov_from_sp(s, in->dst);
	} else if (in->dst != JIT_NO_REG) {
		clobber(s, in->dst);
		if (in->from_memory)
			load_slot(s, in);
	} else if (in->to_memory && moves_return_address(s, in)) {
		move_return_address(s, in);
	} else if (in->to_memory) {
		store_slot(s, in);
	}
}

/* ---- the others ---- */

static void effect_lea(struct flow_state *s, const struct insn *in)
{
	if (in->dst == JIT_RBP) {
		if (in->base == JIT_RSP && in->plain)
			set_frame(s, in->disp);
		else
			lose_frame_pointer(s);
	} else if (in->dst != JIT_RSP) {
		if (in->dst != JIT_NO_REG)
			clobber(s, in->dst);
	} else if (in->base == JIT_RSP && in->plain) {
		add_to_stack(s, in->disp);
	} else if (in->base == JIT_RBP && in->plain && s->cfa == FLOW_FP) {
		s->sp_known = true;
		s->sp = s->base - in->disp;
	} else {
		move_stack(s);
	}
}

static void effect_change(struct flow_state *s, const struct insn *in)
{
	if (in->dst == JIT_RSP && in->op == INSN_ADD)
		add_to_stack(s, in->imm);
	else if (in->dst == JIT_RSP)
		move_stack(s);
	else if (in->dst == JIT_RBP)
		lose_frame_pointer(s);
	else
		clobber(s, in->dst);
}

static void effect_other(struct flow_state *s, const struct insn *in)
{
	for (unsigned int reg = 0; reg < JIT_REGS; reg++) {
		if (!(in->writes & 1u << reg))
			continue;
		if (reg == JIT_RSP)
			move_stack(s);
		else if (reg == JIT_RBP)
			lose_frame_pointer(s);
		else
			clobber(s, reg);
	}
}

void flow_effect(struct flow_state *s, const struct insn *in, bool baseline)
{
	if (in->op == INSN_PUSH || in->op == INSN_POP || in->dst == JIT_RSP)
		end_copying(s);
	switch (in->op) {
	case INSN_PUSH:
		effect_push(s, in);
		break;
	case INSN_POP:
		effect_pop(s, in);
		break;
	case INSN_MOV:
		effect_mov(s, in);
		break;
	case INSN_LEA:
		effect_lea(s, in);
		break;
	case INSN_ADD:
	case INSN_CHANGE:
		effect_change(s, in);
		break;
	case INSN_LEAVE:
		if (s->cfa == FLOW_FP)
			drop_frame(s);
		break;
	case INSN_CALL:
		s->alias_known = false;
		if (baseline && s->cfa == FLOW_SP && !ra_is_moved(s) && s->sp == WORD)
			*s = (struct flow_state){ .seen = s->seen,
						  .guess = s->guess,
						  .cfa = FLOW_FP,
						  .base = 2 * WORD,
						  .at = { -2 * WORD } };
		break;
	case INSN_OTHER:
		effect_other(s, in);
		break;
	default:
		break;
	}
}

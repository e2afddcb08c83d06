/* SPDX-License-Identifier: MIT */
/*
 * What one instruction does to a frame.  Most is arithmetic on rsp; the rest is what V8's
 * builtins and compilers do that no C compiler does, each with the code that does it.
 */
#include <string.h>

#include "qxfer/jit/flow_priv.h"

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
	r.cfa_reg = s->cfa == FLOW_FP				   ? JIT_RBP
		    : s->cfa == FLOW_ALIAS || s->cfa == FLOW_INDEX ? s->cfa_reg
								   : JIT_RSP;
	r.cfa_off = s->cfa == FLOW_SP ? s->sp : s->base;
	if (s->cfa == FLOW_INDEX) {
		r.cfa_kind = JIT_CFA_BY_INDEX;
		r.index_reg = s->index_reg;
	} else if (s->cfa == FLOW_SAVED) {
		r.cfa_kind = JIT_CFA_SAVED;
		r.cfa_disp = s->saved_disp;
	}
	if (s->ra_kind != JIT_RA_AT_CFA)
		r.ra_reg = s->ra_reg;
	if (s->ra_kind == JIT_RA_IN_MEM)
		r.ra_disp = s->ra_disp;
	memcpy(r.at, s->at, sizeof(r.at));
	return r;
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
		state_anchor(s);
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
	if (state_holds_ra(s, in->src)) {
		push_ra(s);
		return;
	}
	if (s->ra_kind == JIT_RA_IN_MEM && in->from_memory && in->base == s->ra_reg &&
	    in->disp == s->ra_disp) {
		state_anchor(s);
		return;
	}
	state_shift(s, -WORD);
	if (!s->sp_known)
		return;
	int32_t depth;
	bool copy = in->from_memory && state_is_slot(s, in, &depth) && depth == WORD;
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
		state_clobber(s, in->dst);
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
		state_drop_frame(s);
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

/* What was pushed, and is popped to elsewhere, without having been changed meanwhile. */
static void forget_popped(struct flow_state *s)
{
	for (unsigned int i = 0; i < JIT_SAVED && s->cfa == FLOW_SP && s->sp_known; i++)
		if (s->at[i] && -s->at[i] > s->sp && !(s->modified & 1u << i))
			s->at[i] = 0;
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
	state_shift(s, WORD);
	bool restored = i < JIT_SAVED && s->sp_known && s->at[i] && s->at[i] == -s->sp;
	if (s->sp_known)
		s->sp -= WORD;
	if (state_ra_is_moved(s) && s->sp < 0)
		s->sp = 0; /* the caller's part of the stack */
	forget_popped(s);
	if (in->dst == JIT_NO_REG)
		return;
	state_clobber(s, in->dst);
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
	state_drop_frame(s);
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
		state_anchor(s);
	} else if (s->cfa == FLOW_SP) {
		s->sp = 0;
	} else {
		s->sp_known = false;
	}
}

static void mov_from_sp(struct flow_state *s, unsigned int dst)
{
	state_clobber(s, dst);
	if (s->sp_known && s->cfa == FLOW_SP && !state_ra_is_moved(s)) {
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
		state_lose_frame_pointer(s);
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
		return !in->disp && state_holds_ra(s, in->src);
	return s->cfa == FLOW_ALIAS || s->cfa == FLOW_INDEX;
}

static void move_return_address(struct flow_state *s, const struct insn *in)
{
	bool indexed = s->cfa != FLOW_SP && !in->plain && in->index != JIT_NO_REG;
	state_anchor(s);
	s->indexed = indexed;
	s->index_reg = indexed ? in->index : 0;
}

static void effect_mov(struct flow_state *s, const struct insn *in)
{
	if (mov_drops_frame(s, in))
		return;
	if (state_saves_stack(s, in)) {
		state_save_stack(s, in);
		return;
	}
	if (state_restores_stack(s, in)) {
		state_restore_stack(s);
		return;
	}
	if (in->dst == JIT_RSP) {
		mov_to_sp(s, in);
	} else if (in->dst == JIT_RBP) {
		if (in->src == JIT_RSP)
			set_frame(s, 0);
		else
			state_lose_frame_pointer(s);
	} else if (in->src == JIT_RSP && in->dst != JIT_NO_REG) {
		mov_from_sp(s, in->dst);
	} else if (in->dst != JIT_NO_REG) {
		state_clobber(s, in->dst);
		if (in->from_memory)
			state_load_slot(s, in);
	} else if (in->to_memory && moves_return_address(s, in)) {
		move_return_address(s, in);
	} else if (in->to_memory) {
		state_store_slot(s, in);
	}
}

/* ---- the others ---- */

static void effect_lea(struct flow_state *s, const struct insn *in)
{
	if (in->dst == JIT_RBP) {
		if (in->base == JIT_RSP && in->plain)
			set_frame(s, in->disp);
		else
			state_lose_frame_pointer(s);
	} else if (in->dst != JIT_RSP) {
		if (in->dst != JIT_NO_REG)
			state_clobber(s, in->dst);
	} else if (in->base == JIT_RSP && in->plain) {
		state_add_to_stack(s, in->disp);
	} else if (in->base == JIT_RBP && in->plain && s->cfa == FLOW_FP) {
		s->sp_known = true;
		s->sp = s->base - in->disp;
	} else {
		state_move_stack(s);
	}
}

static void effect_change(struct flow_state *s, const struct insn *in)
{
	if (in->dst == JIT_RSP && in->op == INSN_ADD)
		state_add_to_stack(s, in->imm);
	else if (in->dst == JIT_RSP)
		state_move_stack(s);
	else if (in->dst == JIT_RBP)
		state_lose_frame_pointer(s);
	else
		state_clobber(s, in->dst);
}

static void effect_other(struct flow_state *s, const struct insn *in)
{
	for (unsigned int reg = 0; reg < JIT_REGS; reg++) {
		if (!(in->writes & 1u << reg))
			continue;
		if (reg == JIT_RSP)
			state_move_stack(s);
		else if (reg == JIT_RBP)
			state_lose_frame_pointer(s);
		else
			state_clobber(s, reg);
	}
}

void flow_effect(struct flow_state *s, const struct insn *in, bool baseline)
{
	if (in->op == INSN_PUSH || in->op == INSN_POP || in->dst == JIT_RSP)
		state_end_copying(s);
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
			state_drop_frame(s);
		break;
	case INSN_CALL:
		s->alias_known = s->copied = false;
		if (baseline && s->cfa == FLOW_SP && !state_ra_is_moved(s) && s->sp == WORD)
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

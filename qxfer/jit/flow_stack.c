/* SPDX-License-Identifier: MIT */
/*
 * What moves the stack pointer and the return address, beyond pushing and popping: each with the code of
 * V8 that made it necessary.
 */
#include "qxfer/jit/flow_priv.h"

#include <string.h>

/* The return address is at the top of the stack again, whatever lay above it. */
void state_anchor(struct flow_state *s)
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
void state_end_copying(struct flow_state *s)
{
	if (s->cfa == FLOW_INDEX)
		state_anchor(s);
	s->indexed = false;
}

/*
 * mov %rsp,%r10; sub $8,%rsp; and $-16,%rsp; mov %r10,(%rsp); call *%rax; mov (%rsp),%rsp: what calls C
 * aligns the stack, and keeps what it was on it (DeoptimizationEntry_Eager does so without a frame).
 */
bool state_saves_stack(const struct flow_state *s, const struct insn *in)
{
	return s->cfa == FLOW_ALIAS && in->to_memory && in->src == s->cfa_reg &&
	       in->base == JIT_RSP && in->plain;
}

void state_save_stack(struct flow_state *s, const struct insn *in)
{
	s->cfa = FLOW_SAVED;
	s->saved_disp = in->disp;
	s->sp_known = false;
}

bool state_restores_stack(const struct flow_state *s, const struct insn *in)
{
	return s->cfa == FLOW_SAVED && in->dst == JIT_RSP && in->from_memory &&
	       in->base == JIT_RSP && in->plain && in->disp == s->saved_disp;
}

void state_restore_stack(struct flow_state *s)
{
	s->cfa = FLOW_SP;
	s->sp_known = true;
	s->sp = s->base;
	s->saved_disp = 0;
}

bool state_holds_ra(const struct flow_state *s, unsigned int reg)
{
	return s->ra_kind == JIT_RA_IN_REG && s->ra_reg == reg;
}

bool state_ra_is_moved(const struct flow_state *s)
{
	return s->cfa == FLOW_SP && s->ra_kind != JIT_RA_AT_CFA;
}

/* @reg has another value now. */
void state_clobber(struct flow_state *s, unsigned int reg)
{
	unsigned int saved = jit_saved_index(reg);

	if (s->alias_known && s->alias_reg == reg)
		s->alias_known = false;
	if (s->copied && s->copy_reg == reg)
		s->copied = false;
	if (state_holds_ra(s, reg) || (s->cfa == FLOW_ALIAS && s->cfa_reg == reg))
		state_anchor(s);
	if (s->cfa_reg == reg || (s->cfa == FLOW_INDEX && s->index_reg == reg))
		state_end_copying(s);
	if (saved < JIT_SAVED)
		s->modified |= (uint8_t)(1u << saved);
}

/* rbp points to something else: the frame is to be found by rsp, if at all. */
void state_lose_frame_pointer(struct flow_state *s)
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
void state_move_stack(struct flow_state *s)
{
	if (s->cfa == FLOW_FP) {
		s->sp_known = false;
		return;
	}
	if (s->cfa == FLOW_SAVED)
		state_anchor(s);
	if (s->cfa != FLOW_SP)
		return;
	if (state_ra_is_moved(s)) {
		s->sp = 0;
		return;
	}
	if (!s->alias_known) {
		state_anchor(s);
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

/* So does the copy of the stack pointer. */
static void shift_saved(struct flow_state *s, int32_t n)
{
	if (s->cfa == FLOW_SAVED)
		s->saved_disp = (int32_t)((uint32_t)s->saved_disp - (uint32_t)n);
}

/*
 * add $8,%rsp at the return address, which is not kept anywhere (DeoptimizationEntry_Eager): where it was
 * called from is left for good, and rbp still points to the frame of that.
 */
static bool drops_return_address(const struct flow_state *s, int32_t n)
{
	return n == WORD && s->cfa == FLOW_SP && s->sp_known && s->sp == WORD && !s->copied &&
	       s->ra_kind == JIT_RA_AT_CFA;
}

void state_shift(struct flow_state *s, int32_t n)
{
	shift_ra(s, n);
	shift_saved(s, n);
}

/* By so many bytes upwards. */
void state_add_to_stack(struct flow_state *s, int32_t n)
{
	if (drops_return_address(s, n)) {
		const bool guess = s->guess;
		*s = flow_frame_state();
		s->guess = guess;
		return;
	}
	state_shift(s, n);
	if (s->sp_known)
		s->sp = (int32_t)((uint32_t)s->sp - (uint32_t)n);
	if (state_ra_is_moved(s)) {
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
		state_anchor(s);
}

/* pop %rbp, leave: the caller's frame pointer is back, and rsp is below the return address. */
void state_drop_frame(struct flow_state *s)
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
bool state_is_slot(const struct flow_state *s, const struct insn *in, int32_t *depth)
{
	if (s->cfa != FLOW_SP || !s->sp_known || state_ra_is_moved(s) || in->base != JIT_RSP ||
	    !in->plain)
		return false;
	*depth = (int32_t)((uint32_t)s->sp - (uint32_t)in->disp);
	return true;
}

void state_load_slot(struct flow_state *s, const struct insn *in)
{
	int32_t depth;
	if (!state_is_slot(s, in, &depth) || depth != WORD)
		return;
	s->copied = true;
	s->copy_reg = in->dst;
}

void state_store_slot(struct flow_state *s, const struct insn *in)
{
	int32_t depth;
	if (!state_is_slot(s, in, &depth))
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

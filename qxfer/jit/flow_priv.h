/* SPDX-License-Identifier: MIT */
/* Parts of flow_effect.c: what happens to the stack pointer and to the return address. */
#ifndef QXFER_JIT_FLOW_PRIV_H
#define QXFER_JIT_FLOW_PRIV_H

#include "qxfer/jit/flow.h"

#define WORD 8

/* The return address is at the top of the stack, whatever lay above it. */
void state_anchor(struct flow_state *s);
/* The stack moves after words were copied to room that was made. */
void state_end_copying(struct flow_state *s);
/* Aligned for a call of C, and back: what rsp was is kept in memory. */
bool state_saves_stack(const struct flow_state *s, const struct insn *in);
void state_save_stack(struct flow_state *s, const struct insn *in);
bool state_restores_stack(const struct flow_state *s, const struct insn *in);
void state_restore_stack(struct flow_state *s);
/* Whether the return address is in @reg; in another place than a call leaves it at. */
bool state_holds_ra(const struct flow_state *s, unsigned int reg);
bool state_ra_is_moved(const struct flow_state *s);
/* @reg has another value now. */
void state_clobber(struct flow_state *s, unsigned int reg);
/* rbp points to something else. */
void state_lose_frame_pointer(struct flow_state *s);
/* rsp is moved by an amount that is not known. */
void state_move_stack(struct flow_state *s);
/* What is found by rsp lies @n bytes nearer to the top. */
void state_shift(struct flow_state *s, int32_t n);
/* rsp is moved by @n bytes upwards. */
void state_add_to_stack(struct flow_state *s, int32_t n);
/* The caller's frame pointer is back: pop %rbp, leave. */
void state_drop_frame(struct flow_state *s);
/* Whether the memory operand is a place on the stack: so many bytes below the CFA. */
bool state_is_slot(const struct flow_state *s, const struct insn *in, int32_t *depth);
/* A tail call moves the return address: a word of the stack is loaded; one is stored. */
void state_load_slot(struct flow_state *s, const struct insn *in);
void state_store_slot(struct flow_state *s, const struct insn *in);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints and steps at Python instructions, made from outside.
 *
 * A breakpoint is an undefined opcode written over an instruction of a code object.
 * The evaluation loop jumps to its handler of undefined opcodes, where a trap of ours
 * is; from there the thread is sent to the handler of the instruction that belongs
 * there, as if nothing had happened.  So a thread that is stopped at a breakpoint is
 * already past our trap: nothing has to be taken out or stepped over to let it go on,
 * and a removed breakpoint leaves no thread in the middle of anything.
 *
 * CPython 3.8 to 3.15 with computed gotos, with a GIL, without a JIT that is on; any
 * other is refused, and the error says why.  qxfer/python/opcodes.h has the facts.
 *
 * The same place may be wanted by several users (the client, `monitor py-break', a
 * step); each inserts and removes for itself.
 */
#ifndef STUB_PYBREAK_H
#define STUB_PYBREAK_H

#include "qxfer/python/python.h"
#include "stub/target/target.h"

struct pybreak;

/* Who wants to stop at a place; bits of a set. */
enum pybreak_user {
	PYBREAK_CLIENT = 1,  /* Z0 at a synthetic address */
	PYBREAK_COMMAND = 2, /* `monitor py-break' */
	PYBREAK_STEP = 4,    /* pybreak_step() itself */
};

/* Where a thread stopped. */
struct pybreak_hit {
	pid_t tid;
	unsigned int users; /* whose breakpoint or step it is: a set of enum pybreak_user */
	uint64_t code;	    /* PyCodeObject */
	uint32_t offset;    /* bytes into its instructions, as asked for when it was inserted */
	uint64_t frame;	    /* _PyInterpreterFrame; to 3.10 PyFrameObject */
};

/*
 * Whether to stop at a hit; called while other threads may run, the one of the hit
 * does not.  Nothing may be resumed or inserted.  Memory is to be read past the cache of
 * target->mem, by its ops, or after mem_invalidate(); registers by target_reg_get().
 */
typedef bool pybreak_condition(void *arg, struct target *t, const struct pybreak_hit *hit);

/* For the life of a session. */
struct err *pybreak_create(struct pybreak **ret) MUST_CHECK;
void pybreak_destroy(struct pybreak *pb);

/*
 * The target, and what knows its Python, from now on; the places of another one are
 * forgotten.  Both are borrowed.  To be called again when either changes.
 */
void pybreak_bind(struct pybreak *pb, struct target *t, struct python *py);

/*
 * Whether this process can have such breakpoints, while it is stopped.  ERR_NOT_FOUND:
 * no Python; ERR_STATE: a Python where it is not safe, as the text says.
 */
struct err *pybreak_ready(struct pybreak *pb) MUST_CHECK;

/*
 * At the instruction that begins @offset bytes into @code's instructions, while the
 * process is stopped.  A place before or at the first RESUME, where the function has not
 * begun, stands for the instruction after it.  Inserting again replaces the
 * condition of PYBREAK_CLIENT; others may have several.
 * ERR_BAD_DATA: no code object there, or no instruction begins there.
 * @holds may be NULL.
 */
struct err *pybreak_insert(struct pybreak *pb, enum pybreak_user user, uint64_t code,
			   uint32_t offset, pybreak_condition *holds, void *arg) MUST_CHECK;
/* Removing one that is not there is no error. */
struct err *pybreak_remove(struct pybreak *pb, enum pybreak_user user, uint64_t code,
			   uint32_t offset) MUST_CHECK;
/* All of @users.  Of every user: also the trap, and all else of ours is out of the process. */
void pybreak_clear(struct pybreak *pb, unsigned int users);
/*
 * Code objects end.  Theirs are then gone; this says so for those of @user that
 * went since the last call: one at a time, false when there is none left.
 */
bool pybreak_gone(struct pybreak *pb, enum pybreak_user user, uint64_t *code, uint32_t *offset);

/*
 * Whether @ev, of target_run_ops.next_event(), is a stop at a Python place (STOP_OWN), and
 * which.
 */
bool pybreak_stopped_at(const struct pybreak *pb, const struct stop_event *ev,
			struct pybreak_hit *ret);

/* What a step does at calls; returns are always followed. */
enum pybreak_step {
	PYBREAK_INTO, /* ends at the entry of whatever Python function the thread enters */
	PYBREAK_NEAR, /* only of one that no C calls: that this loop of the interpreter runs */
	PYBREAK_OVER, /* not at those */
	PYBREAK_OUT,  /* nor at other lines of the frame: ends when it has returned */
};

/*
 * Lets @tid, once resumed (with all others or alone, RESUME_CONT), stop with users ==
 * PYBREAK_STEP when it
 *  - begins an instruction of the same frame that is not in [start, end), bytes into the
 *    instructions of the frame's code, and has a line: another one, or the same if it
 *    lies before the range;
 *  - or has left the frame by return, yield or an exception: at the next instruction of
 *    an older frame, which may be in the middle of a line;
 *  - or, with PYBREAK_INTO, enters a frame: at the first instruction past its RESUME; with
 *    PYBREAK_NEAR, for a thread that is stopped at a Python place, in the same loop.
 * The frame is the innermost of the thread's Python stack.  A stop of any kind ends the
 * step, and takes what it needed out of the process: pybreak_step_end().
 */
struct err *pybreak_step(struct pybreak *pb, pid_t tid, enum pybreak_step how, uint32_t start,
			 uint32_t end) MUST_CHECK;
/* To be called at each stop; does nothing if there is no step. */
void pybreak_step_end(struct pybreak *pb);

#endif

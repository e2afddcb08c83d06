/* SPDX-License-Identifier: MIT */
/*
 * Python's frames between those of C, as words: what a client is shown in place of a
 * thread's own stack, so that its unwinder comes by them.
 *
 * The return address of each C frame of the evaluation loop becomes the pc of the first
 * Python frame that the loop runs.  A client that unwinds to there goes on by descriptors
 * (qxfer/synth/synth.h), one for each Python frame, and the last one says where C goes
 * on.  Nothing here is ever written to the process, and nothing that reads it for the
 * stub sees any of this.
 *
 * Where the frames lie ("sp" of each): the first one where C's caller does, so that it is
 * that one's stack; the others beyond the end of all user space, 8 bytes apart.  gdb wants the
 * addresses to rise; lldb wants multiples of 8.  Where a loop may run several frames the last one
 * is the bridge, whose name lets gdb go down again to C.
 *
 * A client knows a frame by where its caller lies (the CFA), and takes it for the same one as
 * long as that stays.  So places are counted from the outermost frame of a loop, and a loop
 * that runs a single frame just now has the bridge as well.
 *
 * Cost: a loop takes 64 bytes, a frame 24; a look-up is logarithmic in the number of loops.
 */
#ifndef STUB_MIXED_H
#define STUB_MIXED_H

#include "qxfer/python/mixed.h"
#include "qxfer/synth/synth.h"
#include "stub/base/mem.h"

#define MIXED_LOOPS_MAX	 20000u	 /* of one stop */
#define MIXED_FRAMES_MAX 400000u /* likewise, bridges among them */

/* Stacks below it would have their descriptors in the process; there are none above. */
#define MIXED_STACKS_LOW  ((1ull << 41) + (1ull << 28))
#define MIXED_STACKS_HIGH ((1ull << 47) - 4096)

/* Where frames lie that have no place on C's stack. */
#define MIXED_FAR      (1ull << 47)
#define MIXED_STEP     8u
#define MIXED_SLOT     (1ull << 18) /* bytes of one loop: more frames than are shown of a thread */
#define MIXED_SLOTS    (1ull << 16)
#define MIXED_FAR_END  (MIXED_FAR + MIXED_SLOT * MIXED_SLOTS)
#define MIXED_LOOP_MAX (MIXED_SLOT / MIXED_STEP - 2) /* frames of one loop */

/* The descriptors of all of these; they begin behind MIXED_FAR_END. */
#define MIXED_START (MIXED_STACKS_LOW << SYNTH_DESCRIPTOR_SHIFT)
#define MIXED_END   (MIXED_FAR_END << SYNTH_DESCRIPTOR_SHIFT)

/* A Python frame: its pc as of a caller, and where its variables are. */
struct mixed_frame {
	uint64_t pc, locals;
};

struct mixed_loop {
	pid_t tid;
	uint64_t sp;	 /* once it has returned; the return address is in the word below */
	uint64_t ra, pc; /* that address, and what is shown in its place */
	uint64_t top;	 /* the sp of the bridge, or behind the frames if there is none */
	size_t first, n; /* its frames' descriptors, without the bridge's */
	bool bridged;
};

/* What is shown of one stop; all zero is nothing. */
struct mixed {
	struct mixed_loop *loops; /* by sp */
	size_t nloops, loops_cap;
	struct synth_descriptor *chain;
	size_t nchain, chain_cap;
	uint64_t *slots; /* which sp has that part of MIXED_FAR; kept from stop to stop */
	size_t nslots;
};

/* One thread's two stacks, as python_mixed() merges them. */
struct mixed_source {
	pid_t tid;
	const struct py_mixed *stack;
	struct mem *mem; /* the process's own */
	uint64_t bridge; /* a pc in the bridge, as of a caller */
	/*
	 * A loop of this Python may run several frames: one that runs a single frame has the bridge
	 * as well; or the innermost loop alone has it so.
	 */
	bool several, innermost;
	/* NULL, or for the registers of the innermost loop's caller, once that returns */
	struct space_regs *caller;
	/* What is to be shown of a Python frame; false: that is not known. */
	bool (*frame)(void *ctx, const struct py_mixed_item *item, struct mixed_frame *ret);
	void *ctx;
};

void mixed_deinit(struct mixed *m);
/* The next stop: frames that are still there lie where they did. */
void mixed_forget(struct mixed *m);

/*
 * Adds all loops of a thread, or none: ERR_STATE says why its stacks cannot be shown as
 * one, and C's frames alone are true as well.  ERR_NOMEM.
 */
struct err *mixed_add(struct mixed *m, const struct mixed_source *src) MUST_CHECK;

/*
 * Puts what is shown into what was read of the process.  How many words were.
 */
size_t mixed_patch(const struct mixed *m, uint64_t addr, uint8_t *buf, size_t len);

/*
 * A client's own words before they are written: what it was shown becomes true again.
 * Whether a return address may become another one; *@part is one of which only a part would
 * be written, or 0.
 */
bool mixed_translate(const struct mixed *m, uint64_t addr, uint8_t *bytes, size_t len,
		     uint64_t *part);

/* The loop that returns to C with @sp, or NULL. */
const struct mixed_loop *mixed_find(const struct mixed *m, uint64_t sp);

/* The descriptor of the frame with @sp, or NULL. */
const struct synth_descriptor *mixed_descriptor(const struct mixed *m, uint64_t sp);

/* The same of one loop alone, whose descriptors begin at @chain. */
const struct synth_descriptor *mixed_in_loop(const struct mixed_loop *l,
					     const struct synth_descriptor *chain, uint64_t sp);
/* Whether @addr is among those that a loop has for its frames. */
bool mixed_has_place(const struct mixed *m, uint64_t addr);
/* Whether a frame of @l, its bridge or C behind them waits at @pc for one that it called. */
bool mixed_waits_at(const struct mixed *m, const struct mixed_loop *l, uint64_t pc);
/* How many descriptors a loop has. */
size_t mixed_length(const struct mixed_loop *l);
/*
 * The sp of its frame @i, the innermost one being 0; and bridge's, which is the last.  The innermost
 * frame lies on C's stack as well (l->sp), and there alone as long as the client
 * unwinds to it from C.
 */
uint64_t mixed_place(const struct mixed_loop *l, size_t i);

/*
 * Whether a read is one of the lines that a client's unwinder keeps of stacks: gdb's of 64
 * bytes ("set dcache line-size"), lldb's of 512 (target.process.memory-cache-line-size).
 * Whoever asks for other lengths, as gdb's x/gx, gcore, and lldb's core files do, wants
 * memory as it is.
 */
#define MIXED_LINE_MAX 512u
bool mixed_is_line(uint64_t addr, size_t len);

#endif

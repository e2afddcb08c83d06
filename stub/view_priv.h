/* SPDX-License-Identifier: MIT */
/* What the files view*.c share. */
#ifndef STUB_VIEW_PRIV_H
#define STUB_VIEW_PRIV_H

#include "qxfer/python/locals.h"
#include "qxfer/synth/synth.h"
#include "stub/base/arena.h"
#include "stub/base/names.h"
#include "stub/mixed.h"
#include "stub/overlay.h"
#include "stub/pybreak.h"
#include "stub/pylocal.h"
#include "stub/view.h"

/* Bounds on what is shown of one stop; Python's own are higher. */
#define VIEW_FRAMES_MAX	    20000u  /* of one thread, the innermost */
#define VIEW_ALL_FRAMES_MAX 200000u /* of all threads */
#define VIEW_CODES_MAX	    20000u  /* different code objects */
#define VIEW_TEXTS_MAX	    (64u << 20)
#define VIEW_TEXT_MAX	    2000u /* bytes of one value */

/*
 * Where things lie.  The libraries have SYNTH_BASE up to VIEW_STACKS.  A thread's place
 * depends on its id alone, and a frame's on how many callers it has: what a debugger
 * remembers of a frame is still so at the next stop.
 */
#define VIEW_STACKS	0x7e1000000000ull
#define VIEW_STACK_SIZE 0x100000ull
#define VIEW_STACK_ROOM 0x1000ull /* above the outermost frame */
#define VIEW_STACK_N	0x10000u
#define VIEW_SLOTS	0x7e2000000000ull
#define VIEW_TEXTS	0x7e4000000000ull
#define VIEW_TEXTS_END	0x7e4100000000ull

#define VIEW_PAGE 4096u

/* Bytes into the root and the bridge: a debugger looks up the byte before. */
#define VIEW_ROOT_CALL 2u

/* Where the client finds the synthetic libraries. */
#define VIEW_ROOT   "/archerfish"
#define VIEW_FOLDER VIEW_ROOT "/"

struct view_thread {
	pid_t id;  /* VIEW_TID_FIRST.. */
	pid_t tid; /* the real one */
	uint64_t state, ident;
	char name[64];
	size_t first, n; /* in view.frames, innermost first */
	bool seen;
};

struct view_frame {
	const struct synth_function *function; /* NULL: there was no room for it */
	struct py_frame frame;		       /* without its texts */
	uint64_t pc;
	uint64_t slots; /* the address of the last one; they end at slots + n * SYNTH_SLOT */
	struct synth_slot *slot; /* NULL: not asked for yet */
	uint64_t file;		 /* the address of its text; 0: likewise */
};

/* A code object of this stop. */
struct view_memo {
	uint64_t addr;
	const struct synth_function *function;
};

/* A return to Python's frames that is stopped at; kept from stop to stop. */
struct view_return {
	struct mixed_loop loop;
	uint64_t pc;			/* where it is shown: at loop.pc, or at the bridge */
	struct synth_descriptor *chain; /* its own; NULL: unused */
	bool inserted;
};

/* A Python frame of a real thread, or C behind those, waits at @pc for one that it called. */
struct view_wait {
	uint64_t pc;
	pid_t tid;
	bool inserted; /* and the client has a breakpoint there */
};

/* A real thread that is shown at its innermost Python frame, where it stopped. */
struct view_pose {
	pid_t tid, id; /* itself, and its virtual one; 0: none */
	uint64_t pc;
	struct mixed_loop loop; /* that it is in */
	struct synth_descriptor *chain;
	struct space_regs regs; /* of the loop's caller, once it goes on */
};

/* What a register had. */
struct view_write {
	uint16_t regnum;
	uint8_t value[REG_MAX];
};

/* A breakpoint of the client's. */
struct view_point {
	uint64_t pc;   /* as it asked for it */
	uint64_t code; /* 0: where nothing ever comes */
	uint32_t offset;
	int32_t line; /* of the instruction that it stops at; 0: not known */
};

/* Where a variable is that a condition asked for. */
struct view_local {
	uint32_t function; /* its number */
	uint32_t variable;
	uint32_t slot; /* VIEW_NO_SLOT: it is not so simple */
};
#define VIEW_NO_SLOT UINT32_MAX

struct view {
	bool on;
	uint64_t stop;	 /* counts what the client takes for stops */
	uint64_t loaded; /* the stop that the following is of; 0: none */
	uint64_t epoch;	 /* of the space that the synth is about */
	bool full;	 /* a code object was refused for lack of room */

	struct synth *synth;
	struct names c_names;	     /* what C functions of the process are called */
	uint64_t namespaces;	     /* python_namespaces() when functions were added last */
	struct view_thread *threads; /* by id */
	size_t nthreads, threads_cap;
	size_t hint; /* the one found last */
	pid_t next_id;

	struct arena arena;
	struct view_frame *frames;
	size_t nframes, frames_cap;
	struct view_memo *memo; /* open addressing; a power of two, or NULL */
	size_t nmemo, memo_slots;
	uint64_t slots_end;
	struct buf texts;
	struct py_values values;
	bool values_open;
	uint64_t values_generation; /* of the memory that they are of */

	struct view_point *points;
	size_t npoints, points_cap;
	struct pylocals known; /* for what conditions ask for */
	struct view_local *locals;
	size_t nlocals, locals_cap;
	struct pybreak_hit hit;
	bool stepping;	   /* the client stepped a virtual thread */
	size_t step_depth; /* and that had so many frames then */
	uint64_t
		actual; /* the pc of one that the client believes at the begin of its function; 0 */
	pid_t actual_id;
	pid_t nudged; /* the virtual thread that was told to have moved, or 0 */

	uint64_t called; /* a synthetic function that the client believes to call; 0: none */

	/* view_mixed.c: Python's frames in the stacks of real threads. */
	bool mix;
	struct mixed mixed;
	uint64_t *mixed_tids; /* the threads that were looked at */
	size_t nmixed_tids, mixed_tids_cap;
	uint64_t *mixed_maps; /* and for lldb the mappings, by where they start */
	size_t nmixed_maps, mixed_maps_cap;
	uint64_t floor, floor_stop; /* of floor_tid: in front of it are C's frames alone */
	pid_t floor_tid;
	uint64_t read_end; /* of a read of more than a line, where the client may go on; 0: none */

	/* view_return.c: where C returns to one of those frames. */
	struct view_return **returns;
	size_t nreturns, returns_cap;
	struct view_return *posed; /* what its thread is shown at, or NULL */
	struct view_pose pose;	   /* view_pose.c; at most one of the two */
	struct view_wait *waits;
	size_t nwaits, waits_cap;
	pid_t followed;		   /* the real thread that was shown so at the last stop; 0: none */
	struct view_write *writes; /* by the packets up to number @wrote_at */
	size_t nwrites, writes_cap;
	uint64_t wrote_at;
	pid_t wrote_tid;
	uint64_t *client_points; /* its own in the process, sorted */
	size_t nclient_points, client_points_cap;
	struct target_judge judge;

	/* What the client knows. */
	bool listed;	      /* it has read the list of libraries */
	bool asked;	      /* it has listed the threads since the last look */
	bool deferred;	      /* it was told of a library instead of s->stop */
	uint64_t deferred_pc; /* of the thread of s->stop then, with has_deferred_pc */
	bool has_deferred_pc;
	size_t announced;  /* generations in the list it read last */
	uint64_t searched; /* the stop at which all functions were looked for last */
	uint64_t searched_at, search_cost; /* the same of all functions */
	uint64_t looked_at,
		look_cost; /* ns: when a stop was looked at last, and how long it took */
	struct qxfer_extra extra;

	struct runtime_dir *dir; /* where lldb finds them; NULL: not made */
	bool no_dir;		 /* it could not be */
	uint32_t written;	 /* the number of the last library in it */
};

/* Makes the view of this stop, if it is not made; false: there is nothing to be seen. */
bool view_load(struct session *s);

/* The virtual thread of this stop with that id, or NULL. */
const struct view_thread *view_find_thread(struct session *s, pid_t id);

/* The stack pointer in frame @k of @t; t->n: in what called the outermost one. */
uint64_t view_frame_sp(const struct view_thread *t, size_t k);

/*
 * The function of the code object at @addr; NULL: there is no room for it, or *err is set:
 * ERR_NOMEM, or ERR_STATE if there was no room for the first time (view.full).
 */
const struct synth_function *view_function(struct session *s, const struct space *space,
					   uint64_t addr, struct err **err);
/*
 * Registers the functions of all modules, so that the client can have breakpoints in those
 * that do not run.
 */
void view_add_functions(struct session *s);
/* The same of a frame that is not known; @why is its name. */
const struct synth_function *view_nothing(struct view *v, const char *why, struct err **err);

/* Fills in frame->slot.  Only ERR_NOMEM. */
struct err *view_read_slots(struct session *s, struct view_frame *f) MUST_CHECK;

/* Puts @text into @texts, which are seen at VIEW_TEXTS; returns its address. */
uint64_t view_put_text(struct buf *texts, const char *text, uint64_t *len);
void view_close_values(struct view *v);

/* Room for one more in an array of @n elements of @size; false: out of memory. */
bool view_grow(void **array, size_t n, size_t *cap, size_t size);

void view_forget_points(struct view *v);

/* view_lldb.c: the name under which the client opens the library, escaped for XML. */
void view_put_library_name(struct session *s, const struct synth_generation *g, struct buf *out);
/* Before synth_clear(): what it forgets. */
void view_remove_libraries(struct view *v);
/* Closes the folder with all that is in it. */
void view_close_dir(struct view *v);

/* view_mixed.c */
void view_mixed_forget(struct view *v); /* what is of one stop */
void view_mixed_deinit(struct view *v);
/* Into what was read of the inferior. */
void view_mixed_patch(struct session *s, uint64_t addr, uint8_t *buf, size_t len);
/* Descriptors of C stacks; an overlay_area's, @ctx is the session. */
size_t view_mixed_read(void *ctx, uint64_t addr, uint8_t *buf, size_t len);

/* Looks at the thread whose stack the client reads; false: there is nothing to be mixed. */
bool view_mixed_load(struct session *s);
/* At @tid, whatever the client has read; *caller as mixed_source.caller. */
bool view_mixed_thread(struct session *s, pid_t tid, struct space_regs *caller);
/* Of any frame that is shown with @sp; NULL: none. */
const struct synth_descriptor *view_mixed_descriptor(struct session *s, uint64_t sp);

/* view_return.c */
void view_return_deinit(struct view *v);
/* A real thread's own; 0: it has none. */
uint64_t view_stack_pointer(struct session *s, pid_t tid);
/* What a register of a thread is shown as that is shown where it is not; false: as it is. */
bool view_return_reg(const struct session *s, pid_t tid, uint16_t regnum, uint64_t *ret);
const struct synth_descriptor *view_return_descriptor(const struct view_return *r, uint64_t sp);
void view_return_stopped(struct session *s);
/* At a Python frame that C returns to; false: it is none, or there can be no breakpoint. */
bool view_return_insert(struct session *s, uint64_t pc);
struct err *view_return_remove(struct session *s, uint64_t pc) MUST_CHECK;
void view_return_forget_points(struct view *v);
/* A thread whose stack pointer is set already returns to the Python frame at @pc. */
struct err *view_return_send(struct session *s, pid_t tid, uint64_t pc, bool *done) MUST_CHECK;

/* view_pose.c */
void view_pose_deinit(struct view *v);
/* The client has a breakpoint at @pc: who waits there. */
void view_pose_await(struct session *s, uint64_t pc);
/* It has, or has no more. */
void view_pose_awaited(struct view *v, uint64_t pc, bool inserted);
bool view_pose_awaits(const struct view *v, pid_t tid, uint64_t pc);
/* Shows the real thread of @t, which stopped at a Python place; false: @t itself is. */
bool view_pose(struct session *s, const struct view_thread *t);
/* The stop is to be told of now. */
void view_pose_stopped(struct session *s);
/* It is moved. */
void view_pose_end(struct view *v);
bool view_pose_reg(const struct session *s, pid_t tid, uint16_t regnum, uint64_t *ret);
size_t view_pose_read(void *ctx, uint64_t addr, uint8_t *buf, size_t len);

#define VIEW_MIXED_AREAS 3u /* the last ones, while stacks are mixed */
extern const struct overlay_area view_areas[];
extern const size_t view_nareas;

#endif

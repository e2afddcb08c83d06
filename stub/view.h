/* SPDX-License-Identifier: MIT */
/*
 * How a client that knows nothing of Python is shown Python: what one session adds to the
 * inferior that its client sees.
 *
 * A *virtual thread* stands beside the real ones for each thread that runs Python.  Its
 * registers, stack and variables lie in memory that is made for the client
 * (stub/overlay.h); its functions are those of the synthetic library
 * (qxfer/synth/synth.h), which is in the list of libraries as one more file each time new
 * code objects were seen.
 *
 * All is made when the client asks for it, once for each stop: a session whose client
 * never reads the libraries or the threads pays nothing, and neither does one of a
 * process without Python.
 */
#ifndef STUB_VIEW_H
#define STUB_VIEW_H

#include "rsp/vcont.h"
#include "stub/pybreak.h"
#include "stub/session.h"

/* Ids that no thread of Linux has (PID_MAX_LIMIT is 4 Mi). */
#define VIEW_TID_FIRST 0x10000001
#define VIEW_TID_LAST  0x1fffffff

struct view;

static inline bool view_is_virtual(pid_t tid)
{
	return tid >= VIEW_TID_FIRST && tid <= VIEW_TID_LAST;
}

struct err *view_create(const struct options *o, struct view **ret) MUST_CHECK;
void view_destroy(struct view *v);

/* Synthetic code and registers are made for x86-64 and AArch64. */
bool view_is_possible(const struct session *s);
/* C's frames are followed on x86-64 alone. */
bool view_can_mix(const struct session *s);
bool view_is_on(const struct session *s);
/* Takes effect with the next list of threads, and resume. */
void view_switch(struct session *s, bool on);

/* Whether Python's frames are in the stacks of real threads as well; likewise. */
void view_mix(struct session *s, bool on);

/* The inferior moved, or is another: what was made for the last stop is void. */
void view_moved(struct session *s);
/* Another client: it has not seen any library yet. */
void view_opened(struct session *s);

/* ---- threads ---- */

/* A real thread of the target, or a virtual one of this stop. */
bool view_has_thread(struct session *s, pid_t tid);
/* The real thread that @tid stands for; a real one itself; 0: there is none. */
pid_t view_real_thread(struct session *s, pid_t tid);
/* As target_ops.threads(), with the virtual ones behind the others. */
struct err *view_threads(struct session *s, bool (*visit)(pid_t tid, void *arg),
			 void *arg) MUST_CHECK;
/* As target_ops.thread_info(), of virtual threads too. */
struct err *view_thread_info(struct session *s, pid_t tid, struct thread_info *ret) MUST_CHECK;
/* "python MainThread" and "LWP 1234"; false: no such virtual thread. */
bool view_describe_thread(struct session *s, pid_t tid, struct buf *name, struct buf *extra);

/* As target_reg_get(), of virtual threads too; ERR_NOT_FOUND: it has no such register. */
struct err *view_reg_get(struct session *s, pid_t tid, uint16_t regnum,
			 uint8_t ret[REG_MAX]) MUST_CHECK;
/* As target_reg_uint(), likewise. */
struct err *view_reg_uint(struct session *s, pid_t tid, uint16_t regnum, uint64_t *ret) MUST_CHECK;
/*
 * The virtual thread that a step of @tid is one of: itself, or that of a real one which is
 * shown at its innermost Python frame (it poses there).  0: neither.
 */
pid_t view_steps_as(const struct session *s, pid_t tid);
bool view_poses(const struct session *s, pid_t tid);
/* Why a virtual or a posing thread's registers cannot be written, or NULL for another. */
struct err *view_refuse_write(const struct session *s, pid_t tid) MUST_CHECK;
/*
 * Before a thread's pc is written: whether @pc is a synthetic one, and all that can be done about
 * that has been; or, in words, that it cannot go there.
 */
struct err *view_send_thread(struct session *s, pid_t tid, uint64_t pc, bool *done) MUST_CHECK;
/* Before a register is written; and after that of the pc was refused, which ends such a row. */
void view_note_write(struct session *s, pid_t tid, uint16_t regnum);
void view_undo_writes(struct session *s, pid_t tid);
/* Before anything is resumed: tells the client's user of what is not as it seems. */
void view_resumes(struct session *s);

/* ---- memory ---- */

/* As mem_read_some() and mem_read(), of what the client sees. */
size_t view_read_some(struct session *s, uint64_t addr, void *buf, size_t len);
struct err *view_read(struct session *s, uint64_t addr, void *buf, size_t len) MUST_CHECK;
/*
 * Where the client can read the path of the source that @tid, or the thread that it is the
 * virtual one of, runs; valid until the next stop.  0: it runs no Python, or that is not known.
 */
uint64_t view_file(struct session *s, pid_t tid);
/* As mem_write(), by a client that may have read Python's addresses there. */
struct err *view_write(struct session *s, uint64_t addr, const void *buf, size_t len) MUST_CHECK;
/* Whether any of it is not the inferior's. */
bool view_covers(const struct session *s, uint64_t addr, uint64_t len);
/* ERR_STATE, in words, if any of it is not the inferior's. */
struct err *view_refuse_memory(const struct session *s, uint64_t addr, uint64_t len) MUST_CHECK;

/* ---- breakpoints and steps ---- */

/*
 * At a synthetic address: an error says in words why Python cannot stop there.  Inserting
 * one that is there replaces its condition; removing one that is not there is no error.
 */
struct err *view_insert_point(struct session *s, uint64_t pc, pybreak_condition *holds,
			      void *arg) MUST_CHECK;
/*
 * A pybreak_condition, of a session: what its client sent with the breakpoints that stop
 * there (stub/conditions.h).  Expressions see the thread's innermost frame as the client
 * would; where what they ask for is not known while others run, the client is told.
 */
bool view_judge(void *session, struct target *t, const struct pybreak_hit *hit);
struct err *view_remove_point(struct session *s, uint64_t pc) MUST_CHECK;
/* The client has a software breakpoint in the process itself, or has none any more. */
void view_note_point(struct session *s, uint64_t addr, bool there);
/* Whether one there is needed for something else, too. */
bool view_keeps_point(const struct session *s, uint64_t addr);
/* For target.judge: the conditions of the client's breakpoints, and what is said here of them. */
const struct target_judge *view_target_judge(struct session *s);

/*
 * Lets the virtual thread @id, once its real thread is resumed, stop when it leaves the
 * line's bytes [start, end), or those of the line that it is at if these are none.
 */
struct err *view_step(struct session *s, pid_t id, uint64_t start, uint64_t end) MUST_CHECK;
/* The client resumes: whether s->stop is what it is to be told, at once. */
bool view_resume_is_told(struct session *s, const struct rsp_vcont_list *list);

/* At a stop, when s->stop is set: one of Python becomes that of a virtual thread. */
void view_stopped(struct session *s);

/* ---- libraries ---- */

/* The first part of it that is code and ends above @addr; false: none does. */
bool view_region(struct session *s, uint64_t addr, uint64_t *start_ret, uint64_t *end_ret);
/* What documents get beyond the target's; NULL: nothing. */
const struct qxfer_extra *view_extra(struct session *s);
/* A new descriptor of a file of the synthetic library; -1: @path is none. */
int view_open_file(struct session *s, const char *path);
/* A new descriptor of a file in memory; -1: none to be had. */
int view_memory_file(const char *name, const void *data, size_t len);
/* Appends the name under which the client opens such a file, escaped for XML. */
void view_put_file_name(struct session *s, const char *name, const struct buf *bytes,
			struct buf *out);

/*
 * At a stop, before it is reported: whether there are libraries that the client has not
 * read.  Then it is told so by a stop of its own, and what stopped waits until it resumes.
 */
bool view_has_news(struct session *s);
/* It was told so: s->stop is to be reported when it resumes. */
void view_defer(struct session *s);
/* The client resumes: whether a stop waits to be reported instead. */
bool view_take_deferred(struct session *s);

#endif

/* SPDX-License-Identifier: MIT */
/* Tracepoints, as the trace*.c and h_trace*.c files share them.  Nobody else includes this. */
#ifndef STUB_TRACE_PRIV_H
#define STUB_TRACE_PRIV_H

#include "stub/agent/agent.h"
#include "stub/trace.h"
#include "stub/trace_buffer.h"

#define TRACEPOINTS_MAX 1024u
#define ACTIONS_MAX	1024u /* of one tracepoint */
#define VARIABLES_MAX	1024u
#define NAME_MAX_BYTES	256u	   /* of a variable */
#define NOTE_MAX	4096u	   /* of a user's name and notes */
#define READONLY_MAX	1024u	   /* ranges of QTro */
#define STORE_MAX	(4u << 20) /* bytes of expressions, actions and sources */
#define FOLLOWED_MAX	4096u	   /* threads that are stepping at once */
#define MEMORY_MAX	(1u << 20) /* bytes that one action may record */
#define STEPS_MAX	1000000u   /* of `while-stepping' */

#define BUILTIN_TIMESTAMP 1u /* $trace_timestamp, gdbserver's number for it */

struct trace_action {
	char kind; /* 'R', 'M', 'X' */
	bool stepping;
	bool absolute; /* of 'M': not relative to a register */
	uint16_t reg;
	uint64_t offset, len;
	struct agent_code *code; /* of 'X' */
	char *text;		 /* as it came */
};

/* What the user wrote, for whoever connects later. */
struct trace_source {
	char *type;
	uint64_t start, total;
	uint8_t *text;
	size_t len;
};

struct tracepoint {
	uint32_t number;
	uint64_t addr;
	bool enabled, installed;
	bool whole;	 /* its last packet has come */
	bool seen_steps; /* what comes now is for while-stepping */
	uint64_t steps, passes;
	struct agent_code *condition;
	char *condition_text; /* hex */
	struct trace_action *action;
	size_t nactions;
	struct trace_source *source;
	size_t nsources;
	uint64_t hits, usage;
};

struct trace_variable {
	uint32_t number;
	bool builtin;
	uint64_t initial, value;
	char *name;
};

struct trace_range {
	uint64_t start, end; /* [start, end) */
};

/* A thread that makes steps for a tracepoint. */
struct trace_walk {
	pid_t tid;
	uint32_t number;
	uint64_t addr; /* the tracepoint's */
	uint64_t left;
};

enum trace_end {
	TRACE_NOT_RUN,
	TRACE_STOPPED,
	TRACE_FULL,
	TRACE_PASSES,
	TRACE_DISCONNECTED,
	TRACE_ERROR,
};

struct trace {
	struct session *session;
	struct target *target; /* what the run is of; NULL: it is gone, or there was none */
	struct target_judge judge;
	struct trace_buffer buffer;
	struct tracepoint **point; /* in the order they came */
	size_t npoints;
	struct trace_variable *variable;
	size_t nvariables;
	struct trace_range readonly[READONLY_MAX];
	size_t nreadonly;
	size_t stored; /* bytes, see STORE_MAX */
	struct trace_walk *walk;
	size_t nwalks, walks_cap;
	bool running;
	bool installed;	   /* there are traps in the inferior */
	bool disconnected; /* the run goes on without a client */
	bool left;	   /* the client detached from a run that goes on */
	enum trace_end end;
	uint32_t end_number; /* the tracepoint that ended it, or 0 */
	char end_text[120];
	uint64_t started, ended; /* microseconds since 1970 */
	char *user, *notes, *stop_note;
	int64_t looked_at;	      /* the frame, or -1 */
	uint8_t absent[1024 / 8];     /* registers that threads do not have */
	size_t regs_pad;	      /* see h_trace_status() */
	size_t reply_at, reply_part;  /* what qsT... has told already */
	const struct target_hit *hit; /* the one that is being recorded */
};

uint64_t trace_now(void); /* microseconds since 1970 */

/* h_trace.c: ERR_UNSUPPORTED where a breakpoint can't be either. */
struct err *trace_of(struct session *s, struct trace **ret) MUST_CHECK;

/* trace_define.c: what the client defines */
struct tracepoint *trace_find(struct trace *t, uint32_t number, uint64_t addr);
/* The first of that number, which may be at several addresses; NULL: none. */
struct tracepoint *trace_find_number(struct trace *t, uint32_t number);
struct trace_variable *trace_find_variable(struct trace *t, uint32_t number);
/* What follows "QTDP:", "QTDPsrc:", "QTDV:" and "QTro:". */
struct err *trace_define(struct trace *t, struct rsp_cursor *args) MUST_CHECK;
struct err *trace_define_source(struct trace *t, struct rsp_cursor *args) MUST_CHECK;
struct err *trace_define_variable(struct trace *t, struct rsp_cursor *args) MUST_CHECK;
struct err *trace_define_readonly(struct trace *t, struct rsp_cursor *args) MUST_CHECK;
/* All that was defined, but the built-in variables. */
void trace_undefine(struct trace *t);

/* trace.c: a run */
struct err *trace_start(struct trace *t) MUST_CHECK;
/* The traps stay until nobody can run into one: see trace_stopped(). */
void trace_end_run(struct trace *t, enum trace_end how, uint32_t number, const char *text);
/* One that is defined, or enabled, while a run is on. */
struct err *trace_install(struct trace *t, struct tracepoint *p) MUST_CHECK;
void trace_remove_all(struct trace *t);

/* trace_collect.c: recording; the target_judge of the session */
bool trace_is_told(void *ctx, const struct target_hit *hit);
bool trace_follows(void *ctx, pid_t tid);
bool trace_was_stepped(void *ctx, const struct target_hit *hit);

#endif

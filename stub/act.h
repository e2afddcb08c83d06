/* SPDX-License-Identifier: MIT */
/*
 * Running Python in a process: as the handler of a signal that never came, in the main
 * thread, where Python would run any handler (qxfer/python/acting.h); and in other threads,
 * see enum act_way.
 *
 * The process gets some pages of memory, one descriptor (a memfd with the script, and later
 * its result) and one entry of Python's table of signal handlers for the time being.  All
 * of it goes away again with act_clear().  What is armed stays so while the process
 * runs, traced or not.
 */
#ifndef STUB_ACT_H
#define STUB_ACT_H

#include "qxfer/python/acting.h"
#include "qxfer/python/python.h"
#include "stub/target/target.h"

#define ACT_SOURCE_MAX (4u << 20) /* compiling cannot be cancelled */
#define ACT_RESULT_MAX (256u << 20)
#define ACT_NAME_MAX   1024u

struct act_job {
	const void *source;
	size_t size;
	const char *name; /* of the file, for tracebacks; cut at ACT_NAME_MAX */
	bool capture;	  /* what it prints is brought back, instead of where it went */
	bool bridge;	  /* it makes a connection for us: act_take_link() */
	bool official;	  /* ACT_OFFICIAL, and no other way */
	/* The thread that is to run it: its id, or what threading calls it; NULL: the main one. */
	const char *thread;
};

enum act_way {
	/* As a signal's handler: the main thread, wherever it may look for signals. */
	ACT_AS_HANDLER,
	/*
	 * The thread waits in a system call without the GIL.  It takes the GIL, runs the
	 * script, gives it back, and then its call fails with EINTR, on which Python makes
	 * it again.
	 */
	ACT_BY_DETOUR,
	/* A handler in the main thread has sys.monitoring call us at the thread's next line. */
	ACT_AT_LINE,
	/* PEP 768's fields of the thread's state, 3.14 and later. */
	ACT_OFFICIAL,
};

enum act_state {
	ACT_WAITS, /* it has not begun */
	ACT_RUNS,
	ACT_DONE,
	ACT_GONE, /* the process has ended, and left no result */
};

/* ACT_NEVER: it had not begun when it was cancelled, and won't. */
enum act_end { ACT_OK, ACT_RAISED, ACT_CANCELLED, ACT_NEVER };

struct act {
	struct py_acting facts;
	bool have_facts;
	struct act_job job;
	pid_t pid;
	enum act_way way;
	pid_t main;   /* Python's main thread */
	pid_t worker; /* that is to run it; may be the main one */
	pid_t tid;    /* that may come to have the pages in use: one of those */
	uint64_t ident, state,
		interp;		    /* of the worker: get_ident(), PyThreadState, its interpreter */
	uint64_t page, size;	    /* in the process; 0: none */
	int there;		    /* its descriptor, -1: none */
	int path_there;		    /* ACT_OFFICIAL: that of the file it opens; -1: none */
	int fd;			    /* ours of the same, -1: none */
	uint64_t inode, path_inode; /* of those */
	uint64_t result_at;
	int signo;	       /* whose handler is ours; 0: none */
	uint64_t stop_func;    /* the object that was made the handler to cancel it, or 0 */
	uint64_t top, nframes; /* of the thread's Python stack before */
	struct buf auxv;       /* tells one program of the process from the next */
};

/* All of @act but what it found out about the process is empty. */
void act_init(struct act *act);
void act_deinit(struct act *act);

/* Looks for what it needs in a process that may be running; nothing found is no error. */
void act_prepare(struct act *act, struct target *t, struct python *py);

/*
 * Puts @job into a stopped process: the main thread runs it as soon as it may once it goes
 * on, and whatever it waits for in the kernel goes on waiting afterwards.  After an error
 * nothing is left there.  ERR_STATE and ERR_NOT_FOUND say why it cannot be.
 */
struct err *act_arm(struct act *act, struct target *t, struct python *py,
		    const struct act_job *job) MUST_CHECK;

enum act_state act_poll(struct act *act);

/*
 * A thread that was armed when it was just about to wait in the kernel does not look before
 * that has ended.  Whether it may be that; the process may be running.
 */
bool act_is_asleep(const struct act *act);
/* Then its call is interrupted once more.  The process is stopped. */
void act_wake(struct act *act, struct target *t);

/* Whether act_cancel() can do something about a script that has not begun. */
bool act_can_revoke(const struct act *act);
/*
 * Has the script get an exception, of a class that is no Exception.  The process is stopped.
 * ERR_STATE: that cannot be done to this one.
 */
struct err *act_cancel(struct act *act, struct target *t) MUST_CHECK;

/*
 * Takes everything out of the stopped process again, also what was never begun.  False:
 * the thread is just in what would be taken away, or still runs the script; the slot is
 * restored all the same.
 */
bool act_clear(struct act *act, struct target *t, struct python *py);

/* What became of it; *text is a traceback or empty, *output what it printed. */
struct err *act_result(struct act *act, enum act_end *end, struct buf *text,
		       struct buf *output) MUST_CHECK;

/*
 * Our end of the connection that a script with `bridge' has made, taken from the process;
 * -1: it has not made one yet, or it cannot be taken (errno: ENOSYS before Linux 5.6).
 */
int act_take_link(struct act *act);

/* act_pdb.c: pdb at the interrupted frame, over such a connection. */
extern const char act_pdb[];

/* act_script.c: what is around the script, Python for 3.6 and later. */
extern const char act_wrapper[];
/* What PyRun_SimpleString() is given, for a memfd laid out as act.c does. */
struct act_layout {
	int fd;
	size_t wrapper_at, wrapper_size, source_at, source_size, result_at, name_at, name_size;
	bool capture, bridge;
	uint64_t worker; /* get_ident() of the thread that runs it, if not the main one; or 0 */
	bool later;	 /* ACT_AT_LINE */
};
void act_put_text(const struct act_layout *l, struct buf *out);

#endif

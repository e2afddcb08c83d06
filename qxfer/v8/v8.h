/* SPDX-License-Identifier: MIT */
/*
 * JavaScript stacks, read from outside: what every thread of a V8 process is doing, from
 * its memory and registers alone.
 *
 * The C stack is followed first (qxfer/unwind/native.h), through V8's code too; each of its frames
 * that is one of V8's is then looked at: frames of the interpreter, of compiled code, and of builtins
 * that JavaScript calls.  Served are V8 10.2 to 13.6, which Node 18 to 24 have;
 * what a V8 says of itself is believed, and others are marked as not verified.
 */
#ifndef QXFER_V8_V8_H
#define QXFER_V8_V8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "qxfer/unwind/native.h"
#include "stub/base/err.h"
#include "stub/base/space.h"

#define V8_FRAMES_MAX	  100000u /* of one thread */
#define V8_ALL_FRAMES_MAX 400000u
#define V8_INLINED_MAX	  64u /* functions that one frame of compiled code is in */

enum v8_kind {
	V8_INTERPRETED,
	V8_BASELINE,
	V8_MAGLEV,
	V8_TURBOFAN,
	V8_BUILTIN,
	V8_KINDS,
};

/* "interpreted". */
const char *v8_kind_name(enum v8_kind kind);

struct v8_frame {
	enum v8_kind kind;
	bool inlined;	      /* into the next frame, whose code it runs in */
	bool approximate;     /* line and column are where its function begins */
	const char *name;     /* "" if it has none, and where it is corrupt */
	const char *script;   /* "" if it has none; NULL: it is of no script */
	const char *builtin;  /* V8's name for it, or NULL */
	const char *corrupt;  /* why it or its place is not known, or NULL */
	int32_t line, column; /* 1 is the first; column in UTF-16 units; 0: not known */
	int32_t offset;	      /* BASELINE, INTERPRETED: of the bytecode; -1: not known */
	uint64_t function;    /* SharedFunctionInfo, or 0 */
	uint64_t fp, pc;
	size_t native; /* the frame that it is, in native_frame order */
};

struct v8_thread {
	pid_t tid;
	uint64_t isolate;	      /* the address that V8's code has its data at, or 0 */
	size_t first_frame, nframes;  /* in v8_snapshot.frames, innermost first */
	size_t first_native, nnative; /* in v8_snapshot.native, if wanted */
	const char *corrupt;	      /* why the frames end early, or NULL */
	const char *cut;	      /* why the C stack does, or NULL */
};

struct v8_snapshot {
	const char *version;		 /* of the layout that it is read by */
	bool verified;			 /* this one was tested */
	const struct v8_thread *threads; /* in which there is V8, in order of tid */
	size_t nthreads;
	const struct v8_frame *frames;
	size_t nframes;
	const struct native_frame *native;
	size_t nnative;
};

struct v8_walk {
	pid_t tid;	 /* only this thread; 0: all */
	bool native;	 /* C frames too, and threads without V8 */
	bool in_passing; /* nobody asked for JavaScript */
};

struct jit;
struct v8;

struct err *v8_create(struct v8 **ret) MUST_CHECK;
void v8_destroy(struct v8 *v);
/* How C stacks go on in V8's code; borrowed.  NULL: they do not, and no frame is found. */
void v8_set_jit(struct v8 *v, struct jit *jit);

/*
 * ERR_NOT_FOUND: there is no V8.  ERR_STATE: the inferior runs.  What is in the snapshot is lent
 * until the next call.
 */
struct err *v8_walk(struct v8 *v, const struct space *s, const struct v8_walk *walk,
		    const struct v8_snapshot **ret) MUST_CHECK;

#endif

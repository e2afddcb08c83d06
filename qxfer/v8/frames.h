/* SPDX-License-Identifier: MIT */
/*
 * What JavaScript a frame of V8's code is in.
 */
#ifndef QXFER_V8_FRAMES_H
#define QXFER_V8_FRAMES_H

#include "qxfer/v8/positions.h"
#include "qxfer/v8/scripts.h"
#include "qxfer/v8/v8.h"

/* A frame of the C stack that is in code without an unwind table. */
struct v8_site {
	uint64_t pc, fp;
	uint64_t start;	     /* of the code */
	bool exact;	     /* as in native_frame */
	bool built;	     /* fp is its own, not its caller's */
	const char *builtin; /* V8's name for it, if it is a builtin; or NULL */
	size_t native;
	/* Of the frame that this one called last, if that is a bytecode's handler and was interrupted. */
	const struct space_regs *handler;
	uint64_t handler_start;
};

struct v8_reader {
	const struct space *space;
	struct v8_scripts scripts;
	struct v8_bytecode_sizes *sizes; /* borrowed, see bytecodes() */
	/* Fills in *sizes where it is not known yet. */
	void (*find_sizes)(void *arg);
	void *arg;
	struct v8_frame *frame;
	size_t n, cap;
	size_t limit; /* of n */
	bool full, failed;
	struct buf bytes, code; /* scratch */
};

void v8_reader_deinit(struct v8_reader *r);
/* Forgets what it read; the frames too. */
void v8_reader_reset(struct v8_reader *r);

/* Appends the frames of JavaScript that a frame in a builtin, or in compiled code, is. */
void v8_read_builtin(struct v8_reader *r, const struct v8_site *site);
void v8_read_code(struct v8_reader *r, const struct v8_site *site);

/* For these two: the frame to fill in; NULL: there is no room, which the reader says. */
struct v8_frame *v8_reader_add(struct v8_reader *r, const struct v8_site *site, enum v8_kind kind);
/* What it is called, and its place in the script: @position; -1: only where it begins. */
void v8_fill_in(struct v8_reader *r, struct v8_frame *f, struct v8_function *function,
		int64_t position);

/* The position that belongs to an offset in bytecode; -1: its table does not have it. */
int64_t v8_bytecode_position(struct v8_reader *r, uint64_t bytecodes, int64_t offset);
/* The name that the JSFunction @object was given, if it was, becomes that of the frame. */
void v8_name_by_property(struct v8_reader *r, struct v8_frame *f, uint64_t object);

/* code.c */
void v8_read_optimized(struct v8_reader *r, const struct v8_site *site, uint64_t object,
		       enum v8_kind kind);

#endif

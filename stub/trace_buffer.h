/* SPDX-License-Identifier: MIT */
/*
 * What tracepoints have recorded: frames, one after the other, in the form of the GDB
 * manual's appendix "Trace File Format", which is also that of the packet qTBuffer:
 *
 *	number of the tracepoint (2 bytes), size of what follows (4), then blocks:
 *	'R' registers, as `g' has them
 *	'M' address (8), length (2), memory
 *	'V' number (4), value (8) of a trace state variable
 *
 * in the byte order of the inferior, which is ours.  Bounded: what does not fit ends the
 * recording, or pushes the oldest frames out where the buffer is circular.
 */
#ifndef STUB_TRACE_BUFFER_H
#define STUB_TRACE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stub/base/buf.h"

#define TRACE_SIZE_DEFAULT 0x500000u   /* as gdbserver's */
#define TRACE_SIZE_MAX	   0x10000000u /* more is cut down to it */
#define TRACE_BLOCK_MAX	   0xffffu     /* bytes of memory in a block */

struct trace_frame {
	uint64_t at;  /* where its first byte is, counted from the beginning of the run */
	uint32_t len; /* with the six bytes before its blocks */
	uint16_t tracepoint;
	uint16_t registers; /* bytes of its block of registers */
	uint64_t pc;
};

struct trace_buffer {
	uint8_t *bytes;
	size_t cap;
	uint64_t base;	     /* what bytes[0] is, counted so */
	uint64_t start, end; /* of all frames */
	struct trace_frame *frame;
	size_t first, n, nframes; /* there are `n' of them, from frame[first] on */
	uint64_t created;
	size_t size; /* 1..TRACE_SIZE_MAX: the bytes that it may hold */
	bool circular;
	bool full;
	bool open; /* the last frame is being made */
};

void trace_buffer_deinit(struct trace_buffer *b);
/* Forgets all frames; size and kind stay. */
void trace_buffer_clear(struct trace_buffer *b);

/*
 * A new frame, what belongs to it, and its end.  A frame that does not fit is given up,
 * and the buffer is `full': the calls that follow for it do nothing.
 */
void trace_frame_begin(struct trace_buffer *b, uint16_t tracepoint, uint64_t pc);
void trace_put_registers(struct trace_buffer *b, const void *values, size_t len);
void trace_put_memory(struct trace_buffer *b, uint64_t addr, const void *bytes, size_t len);
void trace_put_variable(struct trace_buffer *b, uint32_t number, uint64_t value);
/* Bytes that it has; 0: it was given up. */
size_t trace_frame_end(struct trace_buffer *b);

/* Number @i of those there are, from 0; NULL: there are not so many. */
const struct trace_frame *trace_frame_at(const struct trace_buffer *b, uint64_t i);

/* One block of a frame; all of it is inside of the frame. */
struct trace_block {
	char kind;	 /* 'R', 'M', 'V' */
	uint64_t addr;	 /* of memory */
	uint32_t number; /* of a variable */
	uint64_t value;
	const uint8_t *bytes; /* registers or memory; lent until the buffer changes */
	size_t len;
};

/* The one at *@at (0 at first), which becomes the next one's; false: there is none. */
bool trace_next_block(const struct trace_buffer *b, const struct trace_frame *f, size_t *at,
		      struct trace_block *ret);

/*
 * As much as there is of [@offset, @offset + @len) of all frames, as hex digits.  Each block
 * of registers is followed by @pad zeros, which belong to it.
 */
void trace_buffer_dump(const struct trace_buffer *b, uint64_t offset, uint64_t len, size_t pad,
		       struct buf *out);

#endif

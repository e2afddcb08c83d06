/* SPDX-License-Identifier: MIT */
/* What the parts of the synthetic library share: its registry, and how an image is written. */
#ifndef QXFER_SYNTH_PRIV_H
#define QXFER_SYNTH_PRIV_H

#include "qxfer/synth/synth.h"
#include "stub/base/arena.h"

/*
 * Of an image, whose addresses are offsets into its file: what a loader reads is on its first
 * page, in places that are always the same; behind it is the text, and in the first
 * image that of the special functions before all others.
 */
#define HASH_OFFSET	  0x140u
#define DYNSYM_OFFSET	  0x150u
#define DYNSTR_OFFSET	  0x168u
#define DYNAMIC_OFFSET	  0x1c0u
#define DATA_OFFSET	  0x280u /* a struct link_map */
#define DESCRIPTOR_OFFSET 0x2c0u /* __jit_debug_descriptor */
#define DATA_END	  0x2d8u
#define TEXT_OFFSET	  0x1000u
#define SPECIAL_SIZE	  16u
#define ROOT_OFFSET	  TEXT_OFFSET
#define BRIDGE_OFFSET	  (ROOT_OFFSET + SPECIAL_SIZE)
#define JIT_OFFSET	  (BRIDGE_OFFSET + SPECIAL_SIZE)
#define SPECIALS_END	  (JIT_OFFSET + SPECIAL_SIZE)
#define FUNCTION_ALIGN	  16u

struct file;

struct function {
	struct synth_function pub; /* first: the public part is the whole */
	const char *plain, *full;  /* its names to a debugger; the same one, mostly */
	struct file *file;
	struct function *older;	  /* what was at the same address before */
	struct function *in_file; /* the one added to the file before */
};

struct file {
	const char *path;
	uint32_t number; /* in order of appearance */
	struct function *last;
};

struct generation {
	struct synth_generation pub;
	struct buf image;
	size_t first, end; /* which of the synth's functions */
};

/* Pointers that grow by doubling. */
struct list {
	void **item;
	size_t n, cap;
};

struct synth {
	struct synth_options options;
	char *directory;
	struct arena arena;
	size_t arena_bytes, image_bytes;
	struct list functions; /* struct function, by number and so by pc within a generation */
	struct list files;     /* struct file */
	struct list generations;
	struct function **by_addr; /* open addressing, newest of each address */
	struct file **by_path;
	size_t addr_slots, path_slots; /* powers of two, or 0 */
	size_t naddrs;
	size_t text_end;	/* of what is pending: offset in its image */
	size_t committed;	/* how many functions have their generation */
	uint32_t next_function; /* numbers, which go on after a clear */
	uint32_t next_generation;
	uint64_t first_slot; /* of the span: where the first generation lies */
};

struct function *synth_function_at(const struct synth *s, size_t i);
/* Where a generation lies, the oldest is 0; i == how many there are: what is pending. */
uint64_t synth_base_of(const struct synth *s, size_t i);
/* How many bytes of text a function takes: never none. */
uint32_t synth_text_len(const struct synth_code *code);

/* 64 bits of everything in @code but its address. */
uint64_t synth_fingerprint(const struct synth_code *code);
/*
 * @code's rows as they are shown: sorted, whole, adjacent ones of one line joined.  At
 * most nrows * 2 + 1 of them go to @ret; returns how many.  ERR_NOMEM.
 */
struct err *synth_rows(const struct synth_code *code, struct synth_row *ret,
		       size_t *n_ret) MUST_CHECK;
/* The row that has @offset, or the last. */
const struct synth_row *synth_row_at(const struct synth_code *code, uint32_t offset);
/* The first row past the line of the def; the first of all if there is no other. */
const struct synth_row *synth_body(const struct synth_code *code);

/* ---- writing ---- */

/* What is to become one image. */
struct plan {
	struct function **functions; /* by file, then by pc */
	size_t n;
	bool first;   /* with the special functions */
	bool no_main; /* see synth_options */
	bool jit;     /* and that of the JIT interface */
	const struct synth_options *options;
	uint64_t base;
	size_t text_end; /* offset in the image */
	const char *name;
	const char *directory;
};

/* The DWARF of an image; each becomes the section of its name. */
struct dwarf {
	struct buf info, abbrev, line, ranges, aranges, str, frame, macinfo;
	uint32_t *str_slot; /* offsets into str, plus one; open addressing */
	size_t str_slots, nstr;
};

void dwarf_deinit(struct dwarf *d);
/* Fails only for want of memory. */
bool dwarf_write(struct dwarf *d, const struct plan *plan);
/* One sequence of @f's lines, into a line program whose state is fresh. */
void dwarf_put_lines(struct buf *out, const struct synth_function *f, uint64_t addr);
/* The header of a line program for @path up to its first opcode; to be closed. */
size_t dwarf_open_lines(struct buf *out, const char *path);
void dwarf_close_lines(struct buf *out, size_t start);

/* What the slots' type and its parts are called; Python's own names are others. */
#define VALUE_TYPE "__archerfish_value"
#define VALUE_KIND "__archerfish_kind"
#define VALUE_INT  "__archerfish_int"
#define VALUE_BOOL "__archerfish_bool"
#define VALUE_NONE "__archerfish_none"
/* The macros of @n functions of one file; false: no memory. */
bool dwarf_put_macros(struct buf *out, const struct synth_options *options,
		      struct function *const *f, size_t n);

/* Appends a whole image to @out; false: no memory. */
bool elf_write(struct buf *out, const struct plan *plan, struct synth_generation *ret);

/* Little endian, and LEB128. */
void put_u8(struct buf *out, unsigned int v);
void put_u16(struct buf *out, unsigned int v);
void put_u32(struct buf *out, uint64_t v);
void put_u64(struct buf *out, uint64_t v);
void put_uleb(struct buf *out, uint64_t v);
void put_sleb(struct buf *out, int64_t v);
void put_text(struct buf *out, const char *text); /* with its NUL */
void put_zeros(struct buf *out, size_t n);
void put_align(struct buf *out, size_t align);
/* Writes over what is there. */
void set_u32(struct buf *out, size_t at, uint64_t v);

#endif

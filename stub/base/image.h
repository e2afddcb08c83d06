/* SPDX-License-Identifier: MIT */
/*
 * An ELF image in the inferior: the program, or one of its shared objects.
 *
 * What the loader mapped (program headers, dynamic symbols, build-id) is read
 * from memory, so it needs no file and serves any mount namespace or core.
 * Section headers and .symtab are in the file only: give it with
 * image_add_file().  Both may be hostile; every count is bounded.
 *
 * 64-bit little-endian images only.  System V gABI, "Object Files"; the GNU hash
 * section is documented at https://flapenguin.me/elf-dt-gnu-hash.
 */
#ifndef STUB_BASE_IMAGE_H
#define STUB_BASE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stub/base/err.h"
#include "stub/base/mem.h"

struct image {
	struct mem *mem; /* borrowed; must outlive the image */
	uint64_t base;	 /* where the file's first byte is mapped */
	uint64_t bias;	 /* run-time address minus the address in the file */
	uint64_t lo, hi; /* [lo, hi): run-time addresses of its segments */

	/* Run-time addresses from the dynamic section; 0 if it has none. */
	uint64_t symtab, strtab, strsz, gnu_hash, sysv_hash;
	struct {
		uint64_t addr, size;
	} note[4]; /* PT_NOTE segments; size 0 ends them */

	uint64_t unwind; /* run-time address of .eh_frame_hdr (PT_GNU_EH_FRAME), or 0 */

	void *elf; /* libelf's handle of the file, or NULL */
	int fd;	   /* -1: no file */
};

struct image_symbol {
	uint64_t addr; /* at run time */
	uint64_t size;
};

/* Reads the headers at @base in memory.  ERR_BAD_DATA: this is no ELF image. */
struct err *image_open(struct mem *m, uint64_t base, struct image *ret) MUST_CHECK;
void image_deinit(struct image *img);

/* Adds the image's file; takes @fd, also on error.  What it says must fit the mapping. */
struct err *image_add_file(struct image *img, int fd) MUST_CHECK;

/* A defined symbol of the dynamic symbol table, from memory. */
bool image_find_dynamic(struct image *img, const char *name, struct image_symbol *ret);
/* A defined symbol of the file's .symtab; false without a file. */
bool image_find_static(struct image *img, const char *name, struct image_symbol *ret);
/* Where an allocated section lies; false without a file. */
bool image_find_section(struct image *img, const char *name, struct image_symbol *ret);

/* Copies at most @room bytes of the build-id; returns its length, 0 if there is none. */
size_t image_build_id(struct image *img, uint8_t *buf, size_t room);

/*
 * The name of its separate debug file and that file's checksum (.gnu_debuglink: GDB
 * manual, "Separate Debug Files"); false: none, or no file.
 */
bool image_debug_link(struct image *img, char *name, size_t room, uint32_t *crc);

#define _cleanup_image_ __attribute__((cleanup(image_deinit)))

#endif

/* SPDX-License-Identifier: MIT */
/*
 * ELF files by their program headers and notes: a core, and the files that it was
 * mapped from.
 *
 * Read by pread(2) through a small window: neither the size of the file nor that of its
 * tables decides how much memory is needed, and a file that is cut short meanwhile is an
 * error and no SIGBUS.  libelf is not asked, since what it says of a bad file is neither
 * where nor what.  System V gABI, "ELF Header", "Program Header", "Note Section".
 */
#ifndef STUB_TARGET_CORE_FILE_H
#define STUB_TARGET_CORE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "stub/base/mem.h"

#define CORE_WINDOW	  65536u
#define CORE_SEGMENTS_MAX (1u << 20) /* what Linux can be told to allow a process */
#define CORE_NOTES_MAX	  (1u << 22)

struct core_file {
	int fd;		 /* lent; or -1, and then */
	struct mem *mem; /* the file as it was mapped there, */
	uint64_t base;	 /* from its offset 0 on */
	uint64_t size;	 /* bytes */
	uint16_t type, machine;
	uint8_t word;	/* bytes of an address: 4 or 8 */
	uint64_t phoff; /* of the program headers */
	uint32_t nph;
	uint64_t at; /* of the window in the file */
	size_t len;
	uint8_t *window; /* CORE_WINDOW bytes */
};

struct core_phdr {
	uint64_t where; /* of the header itself, for messages */
	uint32_t type, flags;
	uint64_t vaddr, memsz, offset, filesz;
};

struct core_note {
	char name[8]; /* as much of it as fits with a NUL */
	uint32_t type;
	uint64_t offset; /* of its contents, in the file */
	uint32_t size;
};

/* Little-endian files only.  ERR_BAD_DATA: what is wrong, and at which offset. */
struct err *core_file_open(int fd, struct core_file *ret) MUST_CHECK;
/* The first @size bytes of a file as they were mapped at @base. */
struct err *core_file_open_mapped(struct mem *m, uint64_t base, uint64_t size,
				  struct core_file *ret) MUST_CHECK;
void core_file_close(struct core_file *f); /* @fd stays open */

/* Bytes that are there: all @len of them, or an ERR_BAD_DATA that speaks of @what. */
struct err *core_file_read(const struct core_file *f, const char *what, uint64_t offset, void *buf,
			   size_t len) MUST_CHECK;
/* Up to @len bytes; 0 at the end, or if it cannot be read. */
size_t core_file_read_some(const struct core_file *f, uint64_t offset, void *buf, size_t len);

struct err *core_file_phdr(struct core_file *f, uint32_t i, struct core_phdr *ret) MUST_CHECK;
/* Calls @visit for each note of a PT_NOTE segment until it returns an error. */
struct err *core_file_notes(struct core_file *f, const struct core_phdr *segment,
			    struct err *(*visit)(void *arg, const struct core_note *note),
			    void *arg) MUST_CHECK;

/* Copies at most @room bytes of the GNU build-id; returns its length, 0 if there is none. */
size_t core_file_build_id(struct core_file *f, uint8_t *buf, size_t room);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A small core made in memory: two threads, three segments, and a mapped file with a
 * build-id, TINY_BUILD_ID, of which only the headers are in the core.
 */
#ifndef TESTS_FAKE_TINY_CORE_H
#define TESTS_FAKE_TINY_CORE_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/fake/tiny_elf.h"

#define TINY_PID    100
#define TINY_FIRST  101 /* the thread that crashed */
#define TINY_SECOND 100

/* Addresses. */
#define TINY_FILE_AT  0x10000u /* all of the file's mapping; the core has a page of it */
#define TINY_FILE_END 0x13000u
#define TINY_HEAP_AT  0x20000u /* one page, with bytes 1, 2, 3, .. */
#define TINY_LEFT_AT  0x30000u /* one page that was left out */

/* Notes are aligned to four bytes only. */
struct tiny_thread {
	Elf64_Nhdr nh;
	char name[8]; /* "CORE" */
	uint8_t head[112];
	uint64_t regs[27];
	uint64_t fpvalid;
} __attribute__((packed));

struct tiny_core {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[4]; /* notes, file, heap, left out */
	struct {
		struct tiny_thread first;
		struct {
			Elf64_Nhdr nh;
			char name[8];
			uint8_t data[128];
		} __attribute__((packed)) siginfo;
		struct {
			Elf64_Nhdr nh;
			char name[8];
			uint64_t pair[6];
		} __attribute__((packed)) auxv;
		struct {
			Elf64_Nhdr nh;
			char name[8];
			uint64_t n, unit, row[3];
			char path[64];
		} __attribute__((packed)) file;
		struct tiny_thread second;
	} __attribute__((packed)) notes;
	_Alignas(4096) uint8_t file_page[4096];
	_Alignas(4096) uint8_t heap[4096];
};

/* @path is the mapped file's, less than 64 bytes; its pages are to be those of tiny_elf. */
void tiny_core_make(struct tiny_core *c, const char *path);
/* A descriptor of a file in memory with these bytes. */
int tiny_core_file(const void *data, size_t len);

#endif

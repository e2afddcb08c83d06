/* SPDX-License-Identifier: MIT */
/*
 * A small shared object made in memory, with all that image.c looks at.
 *
 * Addresses in the file are file offsets.  _PyRuntime and Py_Version are dynamic
 * symbols, "hidden" is in .symtab only, and there is a section .PyRuntime.
 */
#ifndef TESTS_FAKE_TINY_ELF_H
#define TESTS_FAKE_TINY_ELF_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TINY_BUILD_ID "0123456789abcdefghij"

struct tiny_elf {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[4]; /* load, dynamic, a note of another kind, the build-id */
	Elf64_Dyn dynamic[6];
	Elf64_Sym dynsym[3];
	char dynstr[32];
	struct {
		uint32_t nbuckets, first, nbloom, shift;
		uint64_t bloom;
		uint32_t bucket[1], chain[2];
	} gnu_hash;
	struct {
		uint32_t nbuckets, nchain, bucket[1], chain[3];
	} sysv_hash;
	struct {
		Elf64_Nhdr nh;
		char name[4];
		uint8_t desc[16];
	} property;
	struct {
		Elf64_Nhdr nh;
		char name[4];
		uint8_t desc[20];
	} build_id;
	Elf64_Sym symtab[2];
	char strtab[16], shstrtab[48];
	Elf64_Shdr sh[5];
	uint8_t data[128]; /* what the symbols point to */
};

/* Where the symbols and the section lie in the file. */
enum {
	TINY_RUNTIME = offsetof(struct tiny_elf, data),
	TINY_VERSION = TINY_RUNTIME + 64,
	TINY_HIDDEN = TINY_RUNTIME + 72,
};

/* @gnu: with a GNU hash table, else with a System V one. */
void tiny_elf_make(struct tiny_elf *e, bool gnu);
/* As glibc's loader does: makes the pointers of the dynamic section addresses. */
void tiny_elf_relocate(struct tiny_elf *e, uint64_t base);

#endif

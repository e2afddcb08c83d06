/* SPDX-License-Identifier: MIT */
/* What the files of this folder share that read call frame information. */
#ifndef QXFER_UNWIND_CFI_PRIV_H
#define QXFER_UNWIND_CFI_PRIV_H

#include "qxfer/unwind/cfi.h"

/* ---- bytes in order ---- */

struct cfi_cursor {
	struct cfi_source *from;
	uint64_t at, end;
	/* Ran past the end, into memory that cannot be read, or there is no more to be read. */
	bool bad;
};

uint64_t cfi_uint(struct cfi_cursor *c, unsigned int size); /* 1, 2, 4 or 8 bytes */
int64_t cfi_int(struct cfi_cursor *c, unsigned int size);
uint64_t cfi_uleb(struct cfi_cursor *c);
int64_t cfi_sleb(struct cfi_cursor *c);

/* How a pointer is written: Linux Standard Base Core, "DWARF Exception Header Encoding". */
enum {
	ENC_ABSPTR = 0x00,
	ENC_ULEB = 0x01,
	ENC_UDATA2 = 0x02,
	ENC_UDATA4 = 0x03,
	ENC_UDATA8 = 0x04,
	ENC_SLEB = 0x09,
	ENC_SDATA2 = 0x0a,
	ENC_SDATA4 = 0x0b,
	ENC_SDATA8 = 0x0c,
	ENC_FORMAT = 0x0f,
	ENC_PCREL = 0x10,
	ENC_DATAREL = 0x30,
	ENC_BASE = 0x70,
	ENC_INDIRECT = 0x80,
	ENC_OMIT = 0xff,
};

/* @data: what ENC_DATAREL is relative to. */
uint64_t cfi_pointer(struct cfi_cursor *c, uint8_t enc, uint64_t data);
/* The number alone, of the format that @enc says. */
uint64_t cfi_format(struct cfi_cursor *c, uint8_t enc);

struct cfi_cie {
	uint64_t code_align;
	int64_t data_align;
	uint64_t ra;
	uint8_t pointers; /* how its FDEs write addresses */
	bool augmented;	  /* its FDEs have augmentation data, to be skipped */
	bool signal;
	struct cfi_cursor program;
};

struct cfi_fde {
	struct cfi_cie cie;
	uint64_t start, end;
	struct cfi_cursor program;
};

/* An error: the table at @at is not as it should be. */
struct err *cfi_broken(uint64_t at, const char *why) MUST_CHECK;

/* Fills in the rules of *ret that hold at @pc, by the programs of @fde. */
struct err *cfi_run(const struct cfi_fde *fde, uint64_t pc, struct cfi_row *ret) MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Every bound that the input or the outside could otherwise break, with its reason. */

/* Configuration. */
#define CONFIG_FILE_BYTES_MAX (16u << 20)  /* one configuration file; the largest seen in the wild are under 1 MiB */
#define CONFIG_FILES_MAX 1024              /* files of a configuration directory */
#define CONFIG_NESTING_MAX 200             /* blocks, arrays, parentheses: keeps the recursive parser off the stack's end */
#define CONFIG_EXPR_HEIGHT_MAX 2000        /* of an expression's tree: a + b + c … is as high as it is long; for the recursive evaluator */
#define CONFIG_COMPONENTS_MAX 10000        /* blocks at the top of a configuration: bounds the graph's recursion along references */
#define CONFIG_DIAGS_MAX 1000              /* diagnostics kept for one load */
#define CONFIG_VALUE_BYTES_MAX (64u << 20) /* memory of one evaluation: "a" + "a" … in a loop of references */

/* The way of a line. */
#define SPAN_BYTES_MAX (256u << 10)    /* one read: whole lines of one stream; fits the L2 cache with its columns */
#define SPAN_BEFORE_BYTES 256u         /* before a span, read with it: they prove that the file is still the one that was read */
#define BATCH_ENTRIES_MAX 2048         /* columns of a batch: 2,048 × 16 bytes a column stays in L2 */
#define LINE_BYTES_MAX (256u << 10)    /* Loki's max_line_size default; longer lines are split into parts and counted */
#define LINE_LIMIT_BYTES_MIN 1024      /* of a configured limit: a span makes no more pieces than a batch has room for */
#define UNPACK_MEMORY_BYTES_MAX (16u << 20) /* of all decompressors: four of bzip2, one of zstd, hundreds of gzip at a time */
#define SPANS_UNSETTLED_MAX 4096       /* receipts of one source stream: bounds the position queue */
#define LABELS_MAX 128                 /* labels of one set; Loki's default is 15 */
#define LABEL_TABLE_BYTES_MAX (4u << 20) /* interned label sets of one lane before unused ones are dropped */
#define EXTRA_VALUES_MAX 1024          /* extracted values of one line under names that no stage mentions: they are looked through one by one */
#define METADATA_MAX 128               /* Loki's max_structured_metadata_entries_count */
#define MEMORY_SLOTS_MAX 64            /* (stage, label set) pairs whose last timestamp a stream remembers */
#define DROP_REASONS_MAX 32            /* distinct drop reasons of one source component's ledger */
#define SENT_WINDOW_BYTES (4u << 20)   /* source bytes on the wire: what a crash can repeat */
#define MEMORY_BUDGET_BYTES (16u << 20) /* default of --memory.budget */
#define LANES_MAX 64

/* The wire. */
#define REQUEST_BYTES_MAX (32u << 20)    /* one push, uncompressed */
#define REPLY_BYTES_MAX (256u << 10)     /* of a reply's body are kept: Loki names each kind of refused entry with its stream */
#define PUSH_BODY_BYTES_MAX (100u << 20) /* default of max_send_message_size */

/* Regular expressions. */
#define REGEX_MATCH_LIMIT 1000000 /* PCRE2 steps: far above honest patterns on 256 KiB, milliseconds at worst */
#define REGEX_REPEAT_MAX 1000     /* Go's limit on x{n} */

/* Documents that configurations hold: JSON, YAML, JSONPath. */
#define JSON_DEPTH_MAX 1000            /* nested arrays and objects: bounds the recursion over a document */
#define YAML_DEPTH_MAX 200             /* nested collections, aliases included */
#define YAML_NODES_MAX 1000000         /* nodes after aliases are followed: "billion laughs" */
#define JSONPATH_BYTES_MAX (64u << 10) /* text of one path */
#define JSONPATH_NESTING_MAX 50        /* parentheses, filters and functions in each other */
#define JSONPATH_FRAGMENTS_MAX 200     /* parts of one path */
#define JSONPATH_DEPTH_MAX 5000        /* recursion of a path over a document, filters included */
#define JSONPATH_STEPS_MAX 10000000    /* nodes that one path may visit: filters within descents multiply */

/* JMESPath over a line. */
#define JMESPATH_TEXT_BYTES_MAX (64u << 10) /* one expression */
#define JMESPATH_HEIGHT_MAX 400             /* of its tree: operators in a row, nesting; bounds the recursion */
#define JMESPATH_DEPTH_MAX 500              /* recursion of an evaluation: let $f = &map($f, @) would never end */
#define JMESPATH_STEPS_MAX 1000000          /* work for one line and expression: some 50 ms */
#define JMESPATH_BYTES_MAX (16u << 20)      /* memory for one line: the document's tree and all values made */
#define JMESPATH_RESULT_BYTES_MAX (1u << 20) /* one string or JSON text made */

/* Templates. */
#define TEMPLATE_BYTES_MAX (256 << 10)         /* text of one template */
#define TEMPLATE_NESTING_MAX 200               /* blocks and parentheses in each other: bounds the parser's recursion */
#define TEMPLATE_DEPTH_MAX 1000                /* of the executor's recursion, templates that call themselves included */
#define TEMPLATE_STEPS_MAX 1000000             /* nodes run and items visited for one line: milliseconds */
#define TEMPLATE_MEMORY_MAX (8u << 20)         /* values made for one line */
#define TEMPLATE_OUTPUT_BYTES_MAX (1u << 20)   /* what one execution writes: more than any line may be long */
#define TEMPLATE_REGEXES_MAX 64                /* compiled expressions kept that lines brought, not the template */

-- What a whole book (FULL or REPLACE) adds up to, over its accepted records, so that the next one can be compared with
-- it: F020 to F023. Filled when a book is published; books that were published before are compared by their period alone.
ALTER TABLE batches
    ADD COLUMN book_records bigint,
    ADD COLUMN book_outstanding_sen bigint,
    -- Records of 30 days past due or more.
    ADD COLUMN book_in_arrears bigint,
    ADD COLUMN book_active bigint,
    ADD CONSTRAINT batches_book_facts CHECK (
        num_nulls(book_records, book_outstanding_sen, book_in_arrears, book_active) IN (0, 4)
        AND greatest(book_in_arrears, book_active) <= book_records AND least(book_in_arrears, book_active) >= 0);

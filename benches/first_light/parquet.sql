-- The checks of the rule book that reject one of the twenty fields of this benchmark, as far as they are about one row
-- alone. Values of a wrong type arrive as null. DuckDB says how many rows are good, and of no bad one why.
COPY (
    SELECT subject_type, id_type, id_number, full_name, account_ref, product_type, portfolio_type, as_of_date, opened_date,
        status, closed_date, currency, original_amount, credit_limit, instalment_amount, instalments_total, outstanding,
        overdue, dpd, next_due_date
    FROM read_json(getvariable('ndjson'), format = 'newline_delimited', ignore_errors = true, columns = {
        subject_type: 'VARCHAR', id_type: 'VARCHAR', id_number: 'VARCHAR', full_name: 'VARCHAR', account_ref: 'VARCHAR',
        product_type: 'VARCHAR', portfolio_type: 'VARCHAR', as_of_date: 'DATE', opened_date: 'DATE', status: 'VARCHAR',
        closed_date: 'DATE', currency: 'VARCHAR', original_amount: 'BIGINT', credit_limit: 'BIGINT',
        instalment_amount: 'BIGINT', instalments_total: 'BIGINT', outstanding: 'BIGINT', overdue: 'BIGINT', dpd: 'BIGINT',
        next_due_date: 'DATE'})
    -- V004, V010, V014, V003, V015, V005, V006; what is required and absent (V001, V002) makes its own line null.
    WHERE subject_type IN ('INDIVIDUAL', 'BUSINESS')
      AND id_type IN ('NRIC', 'OLD_IC', 'PASSPORT', 'ARMY', 'POLICE', 'BRN', 'BRN_OLD')
      AND product_type IN ('BNPL_PLAN', 'BNPL_LINE', 'PERSONAL_LOAN', 'HIRE_PURCHASE', 'CREDIT_SALE', 'LEASING',
          'FACTORING', 'TRADE_CREDIT', 'TELCO_POSTPAID', 'TELCO_DEVICE', 'UTILITY_POWER', 'UTILITY_WATER',
          'UTILITY_OTHER', 'RENTAL', 'OTHER')
      AND portfolio_type IN ('INSTALMENT', 'REVOLVING', 'OPEN', 'LEASE')
      AND status IN ('ACTIVE', 'SETTLED', 'SETTLED_SHORT', 'WRITTEN_OFF', 'SOLD', 'CLOSED', 'CANCELLED')
      AND currency = 'MYR'
      AND length(id_number) <= 40
      AND length(full_name) <= 200 AND regexp_full_match(full_name, '[\p{L}\p{M}0-9 ''’./@,()&\-]+')
      AND length(account_ref) <= 64 AND regexp_full_match(account_ref, '[A-Za-z0-9._:\-]+')
      AND outstanding BETWEEN 0 AND 1000000000 AND overdue BETWEEN 0 AND 1000000000 AND dpd BETWEEN 0 AND 9999
      AND (original_amount IS NULL OR original_amount BETWEEN 0 AND 1000000000)
      AND (credit_limit IS NULL OR credit_limit BETWEEN 0 AND 1000000000)
      AND (instalment_amount IS NULL OR instalment_amount BETWEEN 0 AND 1000000000)
      AND (instalments_total IS NULL OR instalments_total BETWEEN 0 AND 65535)
      -- I012, and of an NRIC I001, I002, I003, I005, I013.
      AND (id_type IN ('BRN', 'BRN_OLD')) = (subject_type = 'BUSINESS')
      AND (id_type <> 'NRIC' OR (
          regexp_full_match(id_number, '[0-9]{12}')
          AND try_cast('20' || id_number[1:2] || '-' || id_number[3:4] || '-' || id_number[5:6] AS DATE) IS NOT NULL
          AND id_number[7:8] NOT IN ('00', '17', '18', '19', '20', '69', '70', '73', '80', '81', '94', '95', '96', '97')
          AND id_number[9:12] <> '0000'
          AND opened_date >= CASE WHEN CAST('20' || id_number[1:2] AS INTEGER) > year(as_of_date)
              THEN make_date(1918 + CAST(id_number[1:2] AS INTEGER), CAST(id_number[3:4] AS INTEGER), 1)
              ELSE DATE '1900-01-01' END))
      -- X001 to X007, X013.
      AND as_of_date <= CAST(getvariable('period_end') AS DATE) AND opened_date <= as_of_date
      AND (closed_date IS NULL OR closed_date BETWEEN opened_date AND as_of_date)
      AND (status <> 'ACTIVE') = (closed_date IS NOT NULL)
      AND (status NOT IN ('SETTLED', 'CANCELLED') OR (outstanding = 0 AND overdue = 0))
      AND overdue <= outstanding AND (dpd > 0) = (overdue > 0)
      AND (portfolio_type <> 'INSTALMENT' OR original_amount IS NOT NULL)
      AND (portfolio_type <> 'REVOLVING' OR credit_limit IS NOT NULL)
) TO '{parquet}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 3);

-- A document is looked for by its number in whatever letters people write it.
CREATE INDEX document_named ON document (lower(number));

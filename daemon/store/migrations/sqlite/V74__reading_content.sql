-- The file itself: its pages are drawn beside the values that were read from it.
ALTER TABLE reading ADD COLUMN content BLOB;

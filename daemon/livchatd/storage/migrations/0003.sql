-- Ids and values of the sentences in error, hint and title, as JSON by the name of the field.
ALTER TABLE jobs ADD COLUMN messages TEXT;
ALTER TABLE steps ADD COLUMN messages TEXT;

-- People to try it with. A school puts its own into a further migration.

INSERT INTO students (student, name, class) VALUES
('example-ana', 'Ana', '3A'),
('example-noah', 'Noah', '3A'),
('example-giulia', 'Giulia', '4B');

INSERT INTO teachers (teacher, class) VALUES
('example-teacher-3a', '3A'),
('example-teacher-4b', '4B');

INSERT INTO families (family, student) VALUES
('example-family-of-ana', 'example-ana'),
('example-family-of-noah', 'example-noah');

INSERT INTO results (student, exercise, correct, at) VALUES
('example-ana', 'en-1-key', 1, '2027-01-11 09:00:00'),
('example-ana', 'en-1-rain', 1, '2027-01-12 09:00:00'),
('example-ana', 'en-2-bread', 0, '2027-01-13 09:00:00'),
('example-noah', 'en-1-key', 0, '2027-01-12 09:30:00'),
('example-giulia', 'it-1-chiave', 1, '2027-01-12 10:00:00');

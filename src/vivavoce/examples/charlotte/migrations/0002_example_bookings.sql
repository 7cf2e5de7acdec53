-- Bookings to try it with. Your own come from your ticket office.
INSERT INTO bookings (code, first_name, last_name, ticket) VALUES
    ('730146', 'Ada', 'Bianchi', 'congress'),
    ('518204', 'Bruno', 'Keller', 'day'),
    ('902671', 'Carla', 'Ibáñez', 'congress'),
    ('346815', 'Dario', 'Fontana', 'day'),
    ('615930', 'Elena', 'Marchetti', 'speaker'),
    ('287403', 'Fatima', 'Haddad', 'congress'),
    ('459127', 'Greta', 'Lund', 'congress'),
    ('174588', 'Hugo', 'Pérez', 'day');

INSERT INTO announcements (text, made_at) VALUES
    ('The shuttle bus from Porta Susa runs until 11 am today.', '2027-05-12T07:30:00+00:00');

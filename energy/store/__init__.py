"""Tables, queries and the admission of orders; the only room that speaks SQL."""

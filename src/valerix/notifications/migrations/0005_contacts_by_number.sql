-- They were kept by user id, and messages go to customer numbers: nobody was found. Users tells all of them once more.
TRUNCATE contacts;

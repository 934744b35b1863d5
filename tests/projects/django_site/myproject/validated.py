"""The same site with wsgiref's validator around it, which objects to whatever breaks PEP 3333."""

from wsgiref.validate import validator

from myproject.wsgi import application as site

application = validator(site)

"""From a Keras model to a bundle on disk: conversion, sealing, what it needs."""
